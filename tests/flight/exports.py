"""Reads each table's BulkExport as arrow, CSV and JSON lines: the server, then the tables' names.

Compares CSV with JSON lines value by value, and prints for each table the JSON lines where they are few,
their number, the columns of CSV, how many batches there were, and the largest chunk.
"""

import csv
import io
import json
import sys

import pyarrow as pa
import pyarrow.flight as flight

url, *tables = sys.argv[1:]
client = flight.connect(url)
told = {}


csv.field_size_limit(100_000_000)


def parse(text):
    """Numbers digit by digit."""
    return json.loads(text, parse_float=str, parse_int=str)


def export(table, **more):
    ticket = json.dumps({"type": "BulkExport", "table": table, **more}).encode()
    descriptor = flight.FlightDescriptor.for_command(ticket)
    info = client.get_flight_info(descriptor)
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.schema.equals(info.schema)
    assert reader.schema.equals(client.get_schema(descriptor).schema)
    return reader.read_all()


def file(table, **more):
    read = export(table, **more)
    assert read.schema.equals(pa.schema([pa.field("chunk", pa.binary(), nullable=False)])), read.schema
    chunks = read.column("chunk").to_pylist()
    return b"".join(chunks), read.column("chunk").num_chunks, max(map(len, chunks), default=0)


def same(cell, value):
    """Whether a cell of CSV is the JSON value."""
    if value is None:
        return cell in ("", "null")
    if isinstance(value, (list, dict, bool)):
        return cell == json.dumps(value) or parse(cell) == value
    return cell == value or (cell.startswith('"') and parse(cell) == value)


for table in tables:
    lines, batches, largest = file(table, format="json")
    assert lines == b"" or lines.endswith(b"\n")
    rows = [parse(line) for line in io.StringIO(lines.decode(), newline="\n")]
    for compression in [None, "lz4", "zstd"]:
        text, _, _ = file(table, format="csv", compression=compression)
    assert text.count(b"\r\n") >= len(rows) + 1 and text.endswith(b"\r\n")
    head, *cells = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert len(cells) == len(rows), (table, len(cells), len(rows))
    for cell_row, row in zip(cells, rows):
        assert list(row) == head, (table, head)
        for cell, (name, value) in zip(cell_row, row.items()):
            assert same(cell, value), (table, name, cell, value)
    arrow = export(table, format="arrow")
    assert arrow.schema.names == head and arrow.num_rows == len(rows)
    told[table] = {
        "rows": len(rows),
        "lines": lines.decode().split("\n")[:-1] if len(lines) < 1_000_000 else [],
        "columns": head,
        "batches": batches,
        "largest": largest,
    }
print(json.dumps(told))
