"""Tickets that name events; argument 1 is the server."""

import json
import sys

import pyarrow.flight as flight

client = flight.connect(sys.argv[1])


def read(ticket):
    return client.do_get(flight.Ticket(json.dumps(ticket).encode())).read_all()


few = "{ events(limit: 3) { eventId data position } }"
batched = read({"type": "BatchedQueries", "queries": [few, few]})
word = client.get_flight_info(flight.FlightDescriptor.for_path("events"))
none = read({"type": "GraphQLQuery", "query": "{ events(limit: 0) { eventId data position } }"})
split = {"type": "GraphQLQuery", "query": "{ events { eventId } }", "partitions": 4}
info = client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(split).encode()))
print(json.dumps({
    "batched": batched.num_rows,
    "word": client.do_get(word.endpoints[0].ticket).read_all().num_rows,
    "empty": none.schema.equals(batched.schema) and none.num_rows == 0,
    "endpoints": len(info.endpoints),
}))
