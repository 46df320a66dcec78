"""Asks each query over HTTP and over Flight and compares value by value.

    both_ways.py <http url> <flight url>  < jobs

A job is a JSON line {"query": text, "variables": object, "ordered": bool, "mayRefuse": bool}; the
query has one root field. Objects of aggregates are flattened as Flight has them, searches are rows. With mayRefuse both
may say that a value is UNREPRESENTABLE. The answer is a line for each: {"rows": n, "schema": text} when both agree, else {"fault": text}. Arrow values become
JSON by the converter below, which is written from the table of types and from nothing else.
"""

import base64
import json
import struct
import sys
import urllib.error
import urllib.request
from collections import Counter

import pyarrow as pa
import pyarrow.flight as flight


class Text(str):
    """A number of a JSON document, digit by digit."""


def parse(text):
    return json.loads(text, parse_float=Text, parse_int=Text, object_pairs_hook=lambda pairs: ("object", pairs))


def civil(days):
    """Year, month and day of days since 1970, of any size (Howard Hinnant's algorithm)."""
    days += 719468
    era, of_era = divmod(days, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def date_text(days):
    year, month, day = civil(days)
    plain = 1 <= year <= 9999
    shown = f"{year:04}" if plain else f"{'-' if year < 0 else '+'}{abs(year):06}"
    return f"{shown}-{month:02}-{day:02}"


def time_text(microseconds):
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:06}".rstrip("0") if fraction else "")


def stamp_text(microseconds):
    days, rest = divmod(microseconds, 86_400_000_000)
    return f"{date_text(days)}T{time_text(rest)}"


def shortest_float32(value):
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == value:
            return float(text)
    raise ValueError(value)


def float_json(value, single):
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return ("float", repr(shortest_float32(value) if single and value else value))


def is_json(field):
    if isinstance(field.type, pa.BaseExtensionType):
        return field.type.extension_name == "arrow.json"
    return (field.metadata or {}).get(b"ARROW:extension:name") == b"arrow.json"


def to_json(field, values):
    """The JSON form of an array's values, each in the form that `canonical` gives."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        values, kind = values.storage, kind.storage_type
    nulls = values.is_null().to_pylist()

    def each(array, convert):
        return [None if null else convert(value) for null, value in zip(nulls, array.to_pylist())]

    if is_json(field):
        return each(values, parse)
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return values.to_pylist()
    if pa.types.is_dictionary(kind):
        return values.to_pylist()
    if pa.types.is_int16(kind) or pa.types.is_int32(kind):
        return each(values, lambda v: Text(v))
    if pa.types.is_int64(kind):
        return each(values, str)
    if pa.types.is_float32(kind):
        return each(values, lambda v: float_json(v, True))
    if pa.types.is_float64(kind):
        return each(values, lambda v: float_json(v, False))
    if pa.types.is_decimal128(kind):
        return each(values, lambda v: f"{v:f}")
    if pa.types.is_date32(kind):
        return each(values.view(pa.int32()), date_text)
    if pa.types.is_time64(kind):
        return each(values.view(pa.int64()), time_text)
    if pa.types.is_timestamp(kind):
        assert kind.unit == "us" and kind.tz in (None, "UTC"), kind
        return each(values.view(pa.int64()), lambda v: stamp_text(v) + ("Z" if kind.tz else ""))
    if pa.types.is_binary(kind):
        return each(values, lambda v: base64.b64encode(v).decode())
    if pa.types.is_struct(kind):
        # Flattened, since what lies below a struct that is null has no meaning, and need not be JSON.
        parts = values.flatten()
        columns = [to_json(kind.field(i), parts[i]) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        rows = [("object", list(zip(names, row))) for row in zip(*columns)] if columns else [("object", [])] * len(values)
        return [None if null else row for null, row in zip(nulls, rows)]
    if pa.types.is_list(kind):
        items = to_json(kind.value_field, values.values)
        offsets = values.offsets.to_pylist()
        return [None if null else items[offsets[i] : offsets[i + 1]] for i, null in enumerate(nulls)]
    raise TypeError(f"{field.name}: no such type in the table: {kind}")


def typed(field, value):
    """Of HTTP's value: floats as doubles, since their text is free; all else as it stands."""
    kind = field.type
    if value is None or is_json(field):
        return value
    if pa.types.is_floating(kind):
        assert isinstance(value, Text), f"{field.name} is no number: {value!r}"
        return ("float", repr(float(value)))
    if pa.types.is_struct(kind):
        tag, pairs = value
        assert tag == "object" and len(pairs) == kind.num_fields, f"{field.name}: {value!r}"
        return ("object", [(name, typed(kind.field(i), item)) for i, (name, item) in enumerate(pairs)])
    if pa.types.is_list(kind):
        return [typed(kind.value_field, item) for item in value]
    return value


def marked(value):
    """Text that tells numbers from strings."""
    if isinstance(value, Text):
        return f"number {value}"
    if isinstance(value, str):
        return f"string {value}"
    if isinstance(value, (list, tuple)):
        return [marked(item) for item in value]
    return value


def flat(row, names):
    """An aggregate's values beside one another, as its record batch has them."""
    pairs = []
    for name, value in row[1]:
        if isinstance(value, tuple) and name not in names:
            pairs += [("" if name == "group" else f"{name}_", inner) for inner in value[1]]
        elif name == "group" and isinstance(value, list) and name not in names:
            groups = [dict(inner) for _, inner in value]
            pairs += [("", (group["key"], group["value"])) for group in groups]
        else:
            pairs.append(("", (name, value)))
    return ("object", [(prefix + name, value) for prefix, (name, value) in pairs])


def hits(row, names):
    """What a search found, an event a row, as its record batches have them."""
    edges = dict(row[1]).get("edges")
    if edges is None or "edges" in names:
        return [row]
    splice = lambda name, value: value[1] if name == "node" and "node" not in names else [(name, value)]
    return [("object", [pair for name, value in edge for pair in splice(name, value)]) for _, edge in edges]


def http_rows(url, query, variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", body, headers)) as response:
            answer = dict(parse(response.read())[1])
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"HTTP {error.code}: {error.read().decode()}") from None
    if "errors" in answer:
        raise RuntimeError(f"HTTP errors: {answer['errors']}")
    ((_, rows),) = answer["data"][1]
    if rows is None:
        return []
    return rows if isinstance(rows, list) else [rows]


def compare(http_url, client, job):
    query, variables = job["query"], job.get("variables", {})
    ticket = json.dumps({"type": "GraphQLQuery", "query": query, "variables": variables}) if variables else query
    try:
        table = client.do_get(flight.Ticket(ticket.encode())).read_all()
    except pa.ArrowInvalid as error:
        if not (job.get("mayRefuse") and "out-of-range" in str(error)):
            raise
        try:
            http_rows(http_url, query, variables)
        except RuntimeError as refusal:
            if "UNREPRESENTABLE" in str(refusal):
                return {"rows": 0}
        raise
    table.validate(full=True)
    columns = [[value for chunk in column.chunks for value in to_json(field, chunk)] for field, column in zip(table.schema, table.columns)]
    names = table.schema.names
    got = [json.dumps(marked(("object", list(zip(names, row))))) for row in zip(*columns)]
    root = pa.field("row", pa.struct(list(table.schema)))
    found = [hit for row in http_rows(http_url, query, variables) for hit in hits(row, names)]
    rows = [flat(row, names) for row in found]
    wanted = [json.dumps(marked(typed(root, row))) for row in rows]
    if (got != wanted) if job.get("ordered") else (Counter(got) != Counter(wanted)):
        for mine, theirs in zip(sorted(got), sorted(wanted)):
            if mine != theirs:
                differ = [(a, b) for a, b in zip(json.loads(mine)[1], json.loads(theirs)[1]) if a != b]
                raise RuntimeError(f"Flight has {differ[:3] and [a for a, _ in differ[:3]]}, HTTP has {[b for _, b in differ[:3]]}"[:2000])
        raise RuntimeError(f"Flight has {len(got)} rows, HTTP {len(wanted)}, or another order")
    return {"rows": len(got), "schema": table.schema.to_string(show_field_metadata=True)}


def main(http_url, flight_url):
    client = flight.connect(flight_url)
    for line in sys.stdin:
        try:
            print(json.dumps(compare(http_url, client, json.loads(line))), flush=True)
        except Exception as error:  # told as the job's fault, whatever it is
            print(json.dumps({"fault": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
