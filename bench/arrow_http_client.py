"""Reads ClickHouse's own ArrowStream over HTTP for the bench: one command a line in, one answer a
line out, as JSON. The connection stays open, as that of the Flight client does."""

import http.client
import io
import json
import sys
import time
from urllib.parse import quote, urlsplit

import pyarrow as pa

connections = {}


def run(url, sql, settings):
    at = urlsplit(url)
    connection = connections.get(at.netloc) or connections.setdefault(
        at.netloc, http.client.HTTPConnection(at.hostname, at.port)
    )
    query = "&".join(f"{name}={quote(str(value))}" for name, value in settings.items())
    headers = {"X-ClickHouse-User": at.username or "", "X-ClickHouse-Key": at.password or ""}
    cpu = time.process_time()
    start = time.perf_counter()
    connection.request("POST", f"/?database={at.path[1:]}&{query}", sql, headers)
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(response.read().decode()[:500])
    first, rows, size, batches = None, 0, 0, 0
    with pa.ipc.open_stream(io.BufferedReader(response, 1 << 20)) as reader:
        for batch in reader:
            first = first or time.perf_counter() - start
            rows += batch.num_rows
            size += batch.nbytes
            batches += 1
    response.read()
    return {
        "seconds": time.perf_counter() - start,
        "firstSeconds": first or 0,
        "rows": rows,
        "bytes": size,
        "batches": batches,
        "clientCpuSeconds": time.process_time() - cpu,
    }


for line in sys.stdin:
    try:
        answer = run(**json.loads(line))
    except Exception as error:  # told to the bench, which decides
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
