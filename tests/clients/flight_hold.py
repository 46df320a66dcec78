"""Begins to read a stream and then reads no more, until it is ended or its input ends.

    flight_hold.py <flight url> <ticket>

Writes a line when the first batch is there; a line on its input reads on to the end, and the
number of rows is written.
"""

import sys

import pyarrow.flight as flight

url, ticket = sys.argv[1:]
reader = flight.connect(url).do_get(flight.Ticket(ticket.encode()))
rows = reader.read_chunk().data.num_rows
print("reading", flush=True)
if sys.stdin.readline():
    print(rows + sum(chunk.data.num_rows for chunk in reader), flush=True)
