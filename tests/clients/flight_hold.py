"""Begins to read a stream and then reads no more, until it is ended or its input ends.

    flight_hold.py <flight url> <ticket> [streams]

Of several streams, each on a connection of its own, all are begun, and read one after the other.
Writes a line when the first batches are there; a line on its input reads on to the end, and the
number of rows is written.
"""

import sys

import pyarrow.flight as flight

url, ticket, streams = (sys.argv[1:] + ["1"])[:3]
clients = [flight.connect(url) for _ in range(int(streams))]
readers = [client.do_get(flight.Ticket(ticket.encode())) for client in clients]
rows = sum(reader.read_chunk().data.num_rows for reader in readers)
print("reading", flush=True)
if sys.stdin.readline():
    print(rows + sum(chunk.data.num_rows for reader in readers for chunk in reader), flush=True)
