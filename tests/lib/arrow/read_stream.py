"""Reads an Arrow stream on standard input by pyarrow and prints it as JSON, losing nothing.

The plain form is that of `read_arrow.ts`: int64, times and decimals as text, days of a date, binary in
hex, NaN and infinities by name.
"""

import json
import math
import sys

import pyarrow as pa


def plain(array):
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pa.types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        columns = [plain(array.field(i)) for i in range(kind.num_fields)]
        return [
            {name: column[i] for name, column in zip(names, columns)} if valid.as_py() else None
            for i, valid in enumerate(array.is_valid())
        ]
    if pa.types.is_list(kind):
        values = plain(array.values)
        ends = array.offsets.to_pylist()
        return [
            values[ends[i] : ends[i + 1]] if valid.as_py() else None
            for i, valid in enumerate(array.is_valid())
        ]
    if pa.types.is_dictionary(kind):
        assert kind.index_type == pa.int16(), kind
        return plain(array.dictionary_decode())
    if pa.types.is_date32(kind):
        return array.cast(pa.int32()).to_pylist()
    if pa.types.is_time64(kind) or pa.types.is_timestamp(kind):
        assert kind.unit == "us", kind
        return texts(array.cast(pa.int64()))
    if pa.types.is_int64(kind) or pa.types.is_decimal128(kind):
        return texts(array)
    if pa.types.is_floating(kind):
        return [number(value) for value in array.to_pylist()]
    if pa.types.is_binary(kind):
        return [value if value is None else value.hex() for value in array.to_pylist()]
    return array.to_pylist()


def texts(array):
    form = "{:f}" if pa.types.is_decimal128(array.type) else "{}"
    return [value if value is None else form.format(value) for value in array.to_pylist()]


def number(value):
    if value is None:
        return None
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "-0" if value == 0 and math.copysign(1, value) < 0 else value


reader = pa.ipc.open_stream(sys.stdin.buffer)
rows = []
batches = []
for batch in reader:
    batch.validate(full=True)
    batches.append(batch.num_rows)
    columns = [plain(column) for column in batch.columns]
    names = batch.schema.names
    rows += [{name: column[i] for name, column in zip(names, columns)} for i in range(batch.num_rows)]
schema = [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in reader.schema]
print(json.dumps({"schema": schema, "rows": rows, "batches": batches}))
