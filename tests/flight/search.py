"""Reads searches: argument 1 is the server, then a JSON list of tickets.

Prints for each its schema, the total in the schema's metadata, and its rows.
"""

import json
import sys

import pyarrow.flight as flight

client = flight.connect(sys.argv[1])


def read(ticket):
    text = json.dumps(ticket)
    descriptor = flight.FlightDescriptor.for_command(text)
    schema = client.get_schema(descriptor).schema
    info = client.get_flight_info(descriptor)
    assert info.schema.equals(schema)
    reader = client.do_get(info.endpoints[0].ticket)
    # The same but for what only the search knows.
    assert reader.schema.equals(schema), reader.schema
    table = reader.read_all()
    table.validate(full=True)
    rows = table.to_pylist()
    for row in rows:
        for name, value in row.items():
            if hasattr(value, "isoformat"):
                row[name] = value.isoformat()
    metadata = {key.decode(): value.decode() for key, value in (reader.schema.metadata or {}).items()}
    columns = [str(field).removeprefix("pyarrow.Field<").removesuffix(">") for field in schema]
    return {"schema": columns, "metadata": metadata, "rows": rows}


print(json.dumps([read(ticket) for ticket in json.loads(sys.argv[2])]))
