"""What a person does with pyarrow.flight: argument 1 is the server, argument 2 the part to try."""

import json
import sys
import threading
import time

import pyarrow
import pyarrow.flight as flight

PEOPLE = "{ people { id name } }"
url, part = sys.argv[1:3]
client = flight.connect(url)


def answers():
    """Everything that reads: the same schema and the same rows by every way."""
    told = {}
    for text in [PEOPLE, "{ empty { id name } }", "{ many { id name } }"]:
        descriptor = flight.FlightDescriptor.for_command(text)
        info = client.get_flight_info(descriptor)
        table = client.do_get(info.endpoints[0].ticket).read_all()
        table.validate(full=True)
        schema = client.get_schema(descriptor).schema
        assert info.schema.equals(table.schema, check_metadata=True), text
        assert schema.equals(table.schema, check_metadata=True), text
        assert info.total_records == -1 and info.total_bytes == -1
        told[text] = table.num_rows
    people = client.do_get(flight.Ticket(PEOPLE)).read_all()
    assert people.equals(client.do_get(flight.Ticket("people")).read_all())
    told["first"] = people.slice(0, 2).to_pylist()
    told["flights"] = [str(info.descriptor.path[0], "utf-8") for info in client.list_flights()]
    told["filtered"] = [info.endpoints[0].ticket.ticket.decode() for info in client.list_flights(b"mpt")]
    two = client.get_flight_info(flight.FlightDescriptor.for_command("{ a { id } b { id } }"))
    assert two.schema is None
    told["two"] = [client.do_get(end.ticket).read_all().num_rows for end in two.endpoints]
    told["actions"] = [action.type for action in client.list_actions()]
    told["health"] = [json.loads(r.body.to_pybytes()) for r in client.do_action("HealthCheck")]
    client.authenticate_basic_token("user", "password")
    return told


def put(client):
    # Only closing waits for the server's answer.
    writer, _ = client.do_put(flight.FlightDescriptor.for_path("x"), pyarrow.schema([]))
    writer.close()


def errors():
    """How pyarrow shows each error: its class and what it says."""
    told = {}
    for ticket in ["", "{ a { id } b { id } }", "nobody", "{ fails { id } }", "{ bug { id } }"]:
        try:
            client.do_get(flight.Ticket(ticket)).read_all()
        except Exception as error:
            told[ticket] = [type(error).__name__, str(error)]
    reader = client.do_get(flight.Ticket("{ halfway { id } }"))
    rows = 0
    try:
        for chunk in reader:
            rows += chunk.data.num_rows
    except Exception as error:
        told["halfway"] = [type(error).__name__, str(error), rows]
    for name, call in [
        ("put", lambda: put(client)),
        ("exchange", lambda: client.do_exchange(flight.FlightDescriptor.for_path("x"))[1].read_chunk()),
        ("action", lambda: list(client.do_action("Dance"))),
    ]:
        try:
            call()
            told[name] = ["no error", ""]
        except Exception as error:
            told[name] = [type(error).__name__, str(error)]
    options = flight.FlightCallOptions(timeout=0.3)
    try:
        client.do_get(flight.Ticket("{ silent { id } }"), options).read_all()
    except Exception as error:
        told["deadline"] = [type(error).__name__, str(error)]
    return told


def cancels():
    """Reads one chunk and cancels, again and again on one client."""
    for _ in range(40):
        reader = client.do_get(flight.Ticket("{ endless { id } }"))
        reader.read_chunk()
        reader.cancel()
    return client.do_get(flight.Ticket(PEOPLE)).read_all().num_rows


def stalls():
    """Reads one chunk and then nothing, until it is killed."""
    reader = client.do_get(flight.Ticket("{ endless { id } }"))
    reader.read_chunk()
    print("stalled", flush=True)
    time.sleep(600)


def parallel():
    """More streams than there are places: the rest is refused, none hangs."""
    outcomes = []
    ready = threading.Barrier(8)

    def read():
        own = flight.connect(url)
        ready.wait()
        try:
            outcomes.append(own.do_get(flight.Ticket("{ many { id name } }")).read_all().num_rows)
        except Exception as error:
            outcomes.append(str(error).partition("message: ")[2][:12])

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes, key=str)


print(json.dumps({"answers": answers, "errors": errors, "cancels": cancels, "stalls": stalls, "parallel": parallel}[part]()))
