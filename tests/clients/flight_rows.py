"""Reads by Flight and gives the rows as JSON, with all digits.

    flight_rows.py <flight url>  < requests

A request is a JSON line {"ticket": text}, {"info": text} (GetFlightInfo, and every endpoint read
after the other), or {"action": type}; the answer is a line for each:
{"schema": fields, "rows": [...]}, {"done": true}, or {"code": our code, "message": text}. A field is
[name, type, nullable, fields in it].
"""

import json
import re
import sys

import pyarrow as pa
import pyarrow.flight as flight

from both_ways import Text, is_json, to_json


def field_of(field):
    kind = field.type
    inner = []
    if is_json(field):
        name = "json"
    elif pa.types.is_struct(kind):
        name, inner = "struct", [field_of(kind.field(i)) for i in range(kind.num_fields)]
    elif pa.types.is_list(kind):
        name, inner = "list", [field_of(kind.value_field)]
    elif pa.types.is_dictionary(kind):
        assert kind.index_type == pa.int16() and kind.value_type == pa.string(), kind
        name = "dictionary"
    else:
        name = str(kind)
    return [field.name, name, field.nullable, inner]


def text(value):
    """JSON of a value in the form of both_ways.py."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, tuple):
        tag, inner = value
        if tag == "float":
            return inner
        return "{" + ",".join(f"{json.dumps(name)}:{text(item)}" for name, item in inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text(item) for item in value) + "]"
    return json.dumps(value)


def by_ticket(client, ticket):
    return client.do_get(flight.Ticket(ticket.encode())).read_all()


def by_info(client, command):
    told = client.get_flight_info(flight.FlightDescriptor.for_command(command.encode()))
    tables = [client.do_get(endpoint.ticket).read_all() for endpoint in told.endpoints]
    for table in tables:
        assert table.schema.equals(told.schema, check_metadata=True), f"{table.schema} is not {told.schema}"
    return pa.concat_tables(tables)


def shown(table):
    table.validate(full=True)
    columns = [[value for chunk in column.chunks for value in to_json(field, chunk)] for field, column in zip(table.schema, table.columns)]
    names = table.schema.names
    rows = [("object", list(zip(names, row))) for row in zip(*columns)]
    return f'{{"schema":{json.dumps([field_of(field) for field in table.schema])},"rows":{text(rows)}}}'


def code_of(error):
    """Our own code, from the trailer that pyarrow shows only in part, else gRPC's."""
    code = re.search(r"debug context: ([A-Z_]+):", str(error))
    return code[1] if code else type(error).__name__


def answer(client, request):
    if "ticket" in request:
        return shown(by_ticket(client, request["ticket"]))
    if "info" in request:
        return shown(by_info(client, request["info"]))
    list(client.do_action(flight.Action(request["action"], b"")))
    return '{"done":true}'


def main(url):
    client = flight.connect(url)
    for line in sys.stdin:
        try:
            print(answer(client, json.loads(line)), flush=True)
        except Exception as error:  # told to who asked, whatever it is
            print(json.dumps({"code": code_of(error), "message": str(error)}), flush=True)


main(*sys.argv[1:])
