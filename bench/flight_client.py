"""Reads Flight streams for the bench: one command a line in, one answer a line out, as JSON."""

import json
import sys
import time

import pyarrow.flight as flight

clients = {}


def run(url, ticket, bytesPerSecond=0, slowSeconds=0, wire=False):
    client = clients.get(url) or clients.setdefault(url, flight.connect(url))
    cpu = time.process_time()
    start = time.perf_counter()
    first, rows, size, wire_size, batches = None, 0, 0, 0, 0
    reader = client.do_get(flight.Ticket(ticket.encode()))
    if wire:
        wire_size = reader.schema.serialize().size
    for chunk in reader:
        batch = chunk.data
        elapsed = time.perf_counter() - start
        first = first or elapsed
        rows += batch.num_rows
        size += batch.nbytes
        batches += 1
        if wire:
            wire_size += batch.serialize().size
        if bytesPerSecond and elapsed < slowSeconds:
            time.sleep(max(0, size / bytesPerSecond - elapsed))
    return {
        "seconds": time.perf_counter() - start,
        "firstSeconds": first or 0,
        "rows": rows,
        "bytes": size,
        "wireBytes": wire_size,
        "batches": batches,
        "clientCpuSeconds": time.process_time() - cpu,
    }


for line in sys.stdin:
    try:
        answer = run(**json.loads(line))
    except Exception as error:  # told to the bench, which decides
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
