"""Reads Flight streams for the bench: one command a line in, one answer a line out, as JSON."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow.flight as flight

clients = {}


def read(client, ticket, start, bytesPerSecond=0, slowSeconds=0):
    first, rows, size, batches = None, 0, 0, 0
    for chunk in client.do_get(ticket):
        batch = chunk.data
        elapsed = time.perf_counter() - start
        first = first or elapsed
        rows += batch.num_rows
        size += batch.nbytes
        batches += 1
        if bytesPerSecond and elapsed < slowSeconds:
            time.sleep(max(0, size / bytesPerSecond - elapsed))
    return {"firstSeconds": first or 0, "rows": rows, "bytes": size, "batches": batches, "seconds": time.perf_counter() - start}


def together(parts):
    return {
        "firstSeconds": min(part["firstSeconds"] for part in parts),
        **{name: sum(part[name] for part in parts) for name in ("rows", "bytes", "batches")},
        "each": [part["seconds"] for part in parts],
    }


def run(url, ticket, partitions=0, readers=0, **slow):
    client = clients.get(url) or clients.setdefault(url, flight.connect(url))
    asked = flight.Ticket(ticket.encode())
    many = [flight.connect(url) for _ in range(readers)]
    cpu = time.process_time()
    start = time.perf_counter()
    if partitions:
        command = json.dumps({"type": "GraphQLQuery", "query": ticket, "partitions": partitions})
        info = client.get_flight_info(flight.FlightDescriptor.for_command(command.encode()))
        assert len(info.endpoints) == partitions, info.endpoints
        with ThreadPoolExecutor(partitions) as pool:
            answer = together(list(pool.map(lambda end: read(client, end.ticket, start), info.endpoints)))
    elif readers:
        with ThreadPoolExecutor(readers) as pool:
            answer = together(list(pool.map(lambda one: read(one, asked, start), many)))
    else:
        answer = {**read(client, asked, start, **slow), "each": []}
    answer["seconds"] = time.perf_counter() - start
    answer["clientCpuSeconds"] = time.process_time() - cpu
    for one in many:
        one.close()
    return answer


for line in sys.stdin:
    try:
        answer = run(**json.loads(line))
    except Exception as error:  # told to the bench, which decides
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
