"""Reads a ticket twice and prints the answers' headers, as pyarrow gives them to a middleware.

    flight_age.py <flight url> <ticket>
"""

import json
import sys

import pyarrow.flight as flight

url, ticket = sys.argv[1:3]
seen = []


class Headers(flight.ClientMiddleware):
    def received_headers(self, headers):
        if headers:
            seen.append({name: [str(value) for value in values] for name, values in headers.items()})


class Factory(flight.ClientMiddlewareFactory):
    def start_call(self, info):
        return Headers()


told = []
client = flight.connect(url, middleware=[Factory()])
for _ in range(2):
    seen.clear()
    client.do_get(flight.Ticket(ticket.encode())).read_all()
    merged = {}
    for headers in seen:
        merged.update(headers)
    told.append(merged)
print(json.dumps(told))
