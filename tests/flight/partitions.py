"""Reads a query whole and in parts, in parallel: the server, the query, the number of parts.

Prints what FlightInfo told of the parts, the rows of each, and whether both ways gave the same.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as flight

url, query, parts = sys.argv[1:]
client = flight.connect(url)


def info(**more):
    ticket = {"type": "GraphQLQuery", "query": query, **more}
    return client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(ticket)))


def rows(table):
    return sorted(json.dumps(row, default=str) for row in table.to_pylist())


told = info(partitions=int(parts), compression="lz4")
with ThreadPoolExecutor(int(parts)) as pool:
    tables = list(pool.map(lambda end: flight.connect(url).do_get(end.ticket).read_all(), told.endpoints))
whole = client.do_get(info().endpoints[0].ticket).read_all()
assert all(table.schema.equals(told.schema) for table in tables)
print(json.dumps({
    "told": json.loads(told.app_metadata),
    "expires": sum(end.expiration_time is not None for end in told.endpoints),
    "rows": [table.num_rows for table in tables],
    "same": rows(pa.concat_tables(tables)) == rows(whole),
}))
