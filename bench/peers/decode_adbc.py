"""Reads SQL by the ADBC PostgreSQL driver into record batches and drops them."""

import json
import sys
import time

import adbc_driver_postgresql.dbapi as adbc

connection = adbc.connect(sys.argv[1], autocommit=True)
for line in sys.stdin:
    start = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(json.loads(line)["query"])
        rows = sum(batch.num_rows for batch in cursor.fetch_record_batch())
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - start}), flush=True)
