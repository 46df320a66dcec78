"""Reads a record batch of events on standard input by pyarrow and prints its rows as JSON."""

import json
import sys
import uuid

import pyarrow as pa

table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
table.validate(full=True)
ids = [str(uuid.UUID(bytes=value)) for value in table["event_id"].to_pylist()]
times = [str(value) for value in table["timestamp"].cast(pa.int64()).to_pylist()]
columns = {name: table[name].to_pylist() for name in table.column_names}
columns |= {"event_id": ids, "timestamp": times}
columns["position"] = [str(value) for value in columns["position"]]
schema = [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in table.schema]
rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
print(json.dumps({"schema": schema, "rows": rows}))
