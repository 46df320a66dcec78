"""Reads BatchedQueries: the server, then each query. Prints the rows of each index, in their order."""

import json
import sys

import pyarrow.flight as flight

url, *queries = sys.argv[1:]
client = flight.connect(url)
told = []
for compression in [None, "zstd"]:
    ticket = json.dumps({"type": "BatchedQueries", "queries": queries, "compression": compression})
    info = client.get_flight_info(flight.FlightDescriptor.for_command(ticket))
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.schema.equals(info.schema)
    rows = [[] for _ in queries]
    for chunk in reader:
        chunk.data.validate(full=True)
        rows[int(chunk.app_metadata.to_pybytes().decode())] += chunk.data.to_pylist()
    told.append(rows)
assert [len(rows) for rows in told[0]] == [len(rows) for rows in told[1]]
print(json.dumps(told[1], default=str))
