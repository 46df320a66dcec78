"""Follows events as a program of a user would: argument 1 is the server, 2 the position behind which
it begins, or "". Each event is a line `id position-of-its-batch`, written when its batch is whole."""

import json
import sys

import pyarrow.flight as flight

client = flight.connect(sys.argv[1])
ticket = {"type": "ObserverEvents", "follow": True, "after": sys.argv[2] or None}
for chunk in client.do_get(flight.Ticket(json.dumps(ticket))):
    position = chunk.app_metadata.to_pybytes().decode()
    ids = chunk.data.column("event_id").to_pylist()
    print(json.dumps({"ids": ids, "after": position}), flush=True)
