"""Reads tickets of events: argument 1 is the server, then a JSON list of tickets.

Prints for each its schema, its rows as they are, and the positions of its batches.
"""

import json
import sys

import pyarrow.flight as flight

client = flight.connect(sys.argv[1])


def read(ticket):
    text = json.dumps(ticket)
    info = client.get_flight_info(flight.FlightDescriptor.for_command(text))
    schema = client.get_schema(flight.FlightDescriptor.for_command(text)).schema
    assert info.schema.equals(schema)
    assert len(info.endpoints) == 1
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.schema.equals(schema), reader.schema
    rows, positions = [], []
    for chunk in reader:
        chunk.data.validate(full=True)
        assert chunk.data.num_rows <= 10_000
        assert chunk.data.nbytes <= 2 * 1024 * 1024 or chunk.data.num_rows == 1
        times = chunk.data.column("timestamp").cast("int64").to_pylist()
        for row, time in zip(chunk.data.to_pylist(), times):
            rows.append({**row, "timestamp": str(time)})
        positions.append(chunk.app_metadata.to_pybytes().decode())
    return {"schema": [str(field) for field in schema], "rows": rows, "positions": positions}


print(json.dumps([read(ticket) for ticket in json.loads(sys.argv[2])]))
