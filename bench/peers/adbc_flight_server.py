"""A pyarrow Flight server fed by the ADBC PostgreSQL driver: a ticket is the SQL itself."""

import sys

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.flight as flight


class Server(flight.FlightServerBase):
    """One connection, kept, since opening one for each query would only slow it down."""

    def __init__(self, url):
        super().__init__("grpc://127.0.0.1:0")
        self.connection = adbc.connect(url, autocommit=True)
        self.last = None

    def do_get(self, context, ticket):
        if self.last:
            self.last[0].close()
        cursor = self.connection.cursor()
        cursor.execute(ticket.ticket.decode())
        reader = cursor.fetch_record_batch()
        self.last = (cursor, reader)  # a stream does not keep what it reads from
        return flight.RecordBatchStream(reader)


server = Server(sys.argv[1])
print(f"ready grpc://127.0.0.1:{server.port}", flush=True)
server.serve()
