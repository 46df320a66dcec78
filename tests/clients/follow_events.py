"""Follows events as a program of a user would: argument 1 is the server, 2 the position behind which
it begins, or "", 3 further keys of the ticket as JSON. Each batch is a line with its events' ids and
its position, written when it is whole; the last line says why the stream ended."""

import json
import sys

import pyarrow.flight as flight

url, after, more = (sys.argv[1:] + ["{}"])[:3]
client = flight.connect(url)
ticket = {"type": "ObserverEvents", "follow": True, "after": after or None, **json.loads(more)}
try:
    for chunk in client.do_get(flight.Ticket(json.dumps(ticket))):
        position = chunk.app_metadata.to_pybytes().decode()
        ids = chunk.data.column("event_id").to_pylist()
        print(json.dumps({"ids": ids, "after": position}), flush=True)
    print(json.dumps({"ended": "well", "message": ""}), flush=True)
except Exception as error:  # told to the test, which knows whether it was wanted
    print(json.dumps({"ended": type(error).__name__, "message": str(error)}), flush=True)
