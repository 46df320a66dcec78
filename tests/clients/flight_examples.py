"""Runs the examples of a document: argument 1 is the server, the examples come as JSON lines.

    {"kind": "ticket", "text": text}   read by GetFlightInfo's endpoints, and by DoGet itself
    {"kind": "python", "text": text}   run as a person would, `flight` and `client` being there

Each gives a line: {"rows": n, "batches": n, "types": [...]} or {"fault": text}.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import traceback

import pyarrow.flight as flight

client = flight.connect(sys.argv[1])


def read(ticket):
    info = client.get_flight_info(flight.FlightDescriptor.for_command(ticket))
    tables = [client.do_get(end.ticket).read_all() for end in info.endpoints]
    whole = client.do_get(flight.Ticket(ticket)).read_all()
    for table in [*tables, whole]:
        table.validate(full=True)
        assert table.schema.equals(info.schema)
    rows = sum(table.num_rows for table in tables)
    assert rows == whole.num_rows, (rows, whole.num_rows)
    return {"rows": rows, "endpoints": len(tables)}


def run(code):
    """What it leaves in its variables and files, so that an example that reads nothing is seen."""
    code = code.replace("grpc://127.0.0.1:50051", sys.argv[1])
    scope = {"flight": flight, "client": client}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "example", "exec"), scope)  # noqa: S102
    tables = [value.num_rows for value in scope.values() if hasattr(value, "num_rows")]
    files = [os.path.getsize(name) for name in os.listdir(".")]
    return {"rows": sum(tables), "bytes": sum(files), "printed": printed.getvalue()}


os.chdir(tempfile.mkdtemp())
for line in sys.stdin:
    example = json.loads(line)
    try:
        told = read(example["text"].encode()) if example["kind"] == "ticket" else run(example["text"])
    except Exception:
        told = {"fault": traceback.format_exc(limit=-3)}
    for name in os.listdir("."):
        os.remove(name)
    print(json.dumps(told), flush=True)
