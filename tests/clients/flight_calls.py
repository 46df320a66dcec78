"""Makes Flight calls as told: a JSON line in for each, a JSON line out.

    flight_calls.py <flight url>  < calls

{"call": "get", "ticket": text | "ticket64": base64, "timeout": seconds?, "rows": bool?}
{"call": "info", "cmd": text | "path": [word]}    FlightInfo, and each endpoint read by its ticket as it is
{"call": "schema", "cmd": text | "path": [word]}
{"call": "list"}                                  every flight listed, and read
{"call": "action", "type": text, "body64": base64?}

A call that fails gives {"code": gRPC's name, "message": text}, with what was read before it.
"""

import base64
import json
import re
import sys

import pyarrow as pa
import pyarrow.flight as flight


def descriptor(call):
    if "path" in call:
        return flight.FlightDescriptor.for_path(*call["path"])
    return flight.FlightDescriptor.for_command(call["cmd"].encode())


def shown(schema):
    if schema is None:  # a FlightInfo of several endpoints has none
        return ""
    return schema.to_string(show_field_metadata=True)


def read(client, ticket, options, out):
    reader = client.do_get(flight.Ticket(ticket), options)
    out.update(schema=shown(reader.schema), rows=0, batches=0, rowsMax=0, bytesMax=0)
    first = None
    for chunk in reader:
        batch = chunk.data
        first = first if first is not None else batch
        out["rows"] += batch.num_rows
        out["batches"] += 1
        out["rowsMax"] = max(out["rowsMax"], batch.num_rows)
        out["bytesMax"] = max(out["bytesMax"], batch.get_total_buffer_size())
    return first


def get(client, call, out):
    ticket = base64.b64decode(call["ticket64"]) if "ticket64" in call else call["ticket"].encode()
    options = flight.FlightCallOptions(timeout=call.get("timeout"))
    first = read(client, ticket, options, out)
    if call.get("rows"):
        out["values"] = json.loads(json.dumps(first.to_pylist() if first else [], default=str))


def info(client, call, out):
    told = client.get_flight_info(descriptor(call))
    out.update(schema=shown(told.schema), endpoints=[])
    for endpoint in told.endpoints:
        each = {}
        out["endpoints"].append(each)
        read(client, endpoint.ticket.ticket, None, each)
        same = client.get_schema(flight.FlightDescriptor.for_command(endpoint.ticket.ticket)).schema
        each["schemaOfTicket"] = shown(same)


def listed(client, call, out):
    out["flights"] = []
    for told in client.list_flights():
        each = {"path": [word.decode() for word in told.descriptor.path], "told": shown(told.schema)}
        out["flights"].append(each)
        read(client, told.endpoints[0].ticket.ticket, None, each)


def act(client, call, out):
    body = base64.b64decode(call.get("body64", ""))
    out["results"] = [result.body.to_pybytes().decode() for result in client.do_action(flight.Action(call["type"], body))]


def code_of(error):
    """gRPC's name of the status, which not every call tells."""
    code = re.search(r"debug context: ([A-Z_]+):", str(error))
    if code:
        return code[1]
    return "UNIMPLEMENTED" if isinstance(error, NotImplementedError) else type(error).__name__


CALLS = {
    "get": get,
    "info": info,
    "schema": lambda client, call, out: out.update(schema=shown(client.get_schema(descriptor(call)).schema)),
    "list": listed,
    "action": act,
}


def main(url):
    client = flight.connect(url)
    for line in sys.stdin:
        call, out = json.loads(line), {}
        try:
            CALLS[call["call"]](client, call, out)
        except (flight.FlightError, pa.ArrowException, KeyError, NotImplementedError) as error:
            out.update(code=code_of(error), message=str(error))
        print(json.dumps(out), flush=True)


main(*sys.argv[1:])
