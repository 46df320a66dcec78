import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import {
  ACTION,
  ACTION_TYPE,
  CANCEL_FLIGHT_INFO_REQUEST,
  CANCEL_FLIGHT_INFO_RESULT,
  CRITERIA,
  decodeMessage,
  encodeMessage,
  FLIGHT_DESCRIPTOR,
  FLIGHT_ENDPOINT,
  FLIGHT_INFO,
  flightData,
  HANDSHAKE,
  type MessageTable,
  POLL_INFO,
  RESULT,
  SCHEMA_RESULT,
  TICKET,
} from "../../flight/protobuf.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

const descriptor = { type: 2, cmd: ascii("q"), path: [] };
const endpoint = (ticket: string) => ({
  ticket: { ticket: ascii(ticket) },
  location: [],
  expirationTime: null,
  appMetadata: ascii(""),
});
const plainInfo = {
  schema: ascii("s"),
  flightDescriptor: null,
  endpoint: [endpoint("t")],
  totalRecords: -1,
  totalBytes: -1,
  ordered: false,
  appMetadata: ascii(""),
};

/** Bytes of pyarrow 26.0.1's `serialize()`, or where it has none of protobuf 7.36.2 for Python. */
const golden: [name: string, table: MessageTable, hex: string, message: object][] = [
  ["Ticket", TICKET, "0a107b207573657273207b206964207d207d", { ticket: ascii("{ users { id } }") }],
  ["FlightDescriptor of a command", FLIGHT_DESCRIPTOR, "080212057573657273", {
    type: 2,
    cmd: ascii("users"),
    path: [],
  }],
  ["FlightDescriptor of a path", FLIGHT_DESCRIPTOR, "08011a0575736572731a02c3bc", {
    type: 1,
    cmd: ascii(""),
    path: ["users", "\u00fc"],
  }],
  [
    "FlightEndpoint with everything",
    FLIGHT_ENDPOINT,
    "0a030a017412100a0e677270632b7463703a2f2f683a311a060880f2d6ca0622016d",
    {
      ticket: { ticket: ascii("t") },
      location: [{ uri: "grpc+tcp://h:1" }],
      expirationTime: { seconds: 1_767_225_600, nanos: 0 },
      appMetadata: ascii("m"),
    },
  ],
  [
    "FlightInfo with negative totals",
    FLIGHT_INFO,
    "120508021201711a050a030a017420ffffffffffffffffff0128ffffffffffffffffff0130013a02616d",
    {
      ...plainInfo,
      schema: ascii(""),
      flightDescriptor: descriptor,
      ordered: true,
      appMetadata: ascii("am"),
    },
  ],
  [
    "FlightInfo with two endpoints and large totals",
    FLIGHT_INFO,
    "120508011a01711a060a040a0274311a060a040a02743220ac0228808080808020",
    {
      ...plainInfo,
      schema: ascii(""),
      flightDescriptor: { type: 1, cmd: ascii(""), path: ["q"] },
      endpoint: [endpoint("t1"), endpoint("t2")],
      totalRecords: 300,
      totalBytes: 2 ** 40,
    },
  ],
  ["Action", ACTION, "0a0b4865616c7468436865636b120378797a", {
    type: "HealthCheck",
    body: ascii("xyz"),
  }],
  ["ActionType", ACTION_TYPE, "0a0b4865616c7468436865636b120164", {
    type: "HealthCheck",
    description: "d",
  }],
  ["Result", RESULT, "0a03616263", { body: ascii("abc") }],
  ["SchemaResult", SCHEMA_RESULT, "0a0173", { schema: ascii("s") }],
  ["Criteria", CRITERIA, "0a036f7264", { expression: ascii("ord") }],
  ["HandshakeRequest", HANDSHAKE, "08ac02120200ff", {
    protocolVersion: 300,
    payload: Uint8Array.of(0, 255),
  }],
  [
    "PollInfo",
    POLL_INFO,
    "0a200a01731a050a030a017420ffffffffffffffffff0128ffffffffffffffffff0119000000000000f03f",
    { info: plainInfo, flightDescriptor: null, progress: 1, expirationTime: null },
  ],
  [
    "CancelFlightInfoRequest",
    CANCEL_FLIGHT_INFO_REQUEST,
    "0a200a01731a050a030a017420ffffffffffffffffff0128ffffffffffffffffff01",
    { info: plainInfo },
  ],
  ["CancelFlightInfoResult", CANCEL_FLIGHT_INFO_RESULT, "0801", { status: 1 }],
];

for (const [name, table, hex, message] of golden) {
  Deno.test(`decodeMessage() reads another program's ${name}`, () => {
    deepEqual(decodeMessage(table, Uint8Array.fromHex(hex)), message);
  });

  Deno.test(`encodeMessage() writes ${name} as another program does`, () => {
    equal(encodeMessage(table, message).toHex(), hex);
  });

  Deno.test(`decodeMessage() refuses ${name} cut inside a field as BAD_INPUT`, () => {
    const whole = Uint8Array.fromHex(hex);
    let refused = 0;
    for (let length = 0; length < whole.length; length++) {
      try {
        // Where the cut falls between two fields the rest is a whole message.
        const shorter = decodeMessage(table, whole.subarray(0, length));
        equal(encodeMessage(table, shorter).toHex(), hex.slice(0, 2 * length));
      } catch (error) {
        refused++;
        equal((error as { code: string }).code, "BAD_INPUT");
      }
    }
    equal(refused > 0, true);
  });
}

const refused: [name: string, hex: string][] = [
  ["a field of number 0", "0200"],
  ["a field number above the highest", "fa ffff ffff 01 00"],
  ["a wire type that is not the field's", "0801"],
  ["the wire type of a group", "0b0c"],
  ["the wire type 7", "0f"],
  ["a length beyond the end", "0aff01"],
  ["a length of 2^63", "0affffffffffffffff7f"],
  ["a number of 11 bytes", "10ffffffffffffffffffff01"],
  ["an unknown field that ends too soon", "1d0000"],
];

for (const [name, hex] of refused) {
  Deno.test(`decodeMessage() refuses ${name} as BAD_INPUT`, () => {
    const bytes = Uint8Array.fromHex(hex.replaceAll(" ", ""));
    throws(() => decodeMessage(TICKET, bytes), { name: "AppError", code: "BAD_INPUT" });
  });
}

Deno.test("decodeMessage() refuses a text that is not UTF-8 as BAD_INPUT", () => {
  throws(() => decodeMessage(ACTION, Uint8Array.fromHex("0a02c328")), { code: "BAD_INPUT" });
});

Deno.test("decodeMessage() skips fields that it does not know", () => {
  const bytes = Uint8Array.fromHex("9a0603616263" + "a00601" + "0a0174" + "ad0600000000");
  deepEqual(decodeMessage(TICKET, bytes), { ticket: ascii("t") });
});

Deno.test("decodeMessage() gives empty values where the bytes say nothing", () => {
  deepEqual(decodeMessage(FLIGHT_DESCRIPTOR, new Uint8Array()), {
    type: 0,
    cmd: new Uint8Array(),
    path: [],
  });
});

Deno.test("flightData() writes FlightData as another program does", () => {
  // protobuf 7.36.2 for Python: FlightData(data_header=b"h" * 130, data_body=b"bodybody").
  const hex = "128201" + "68".repeat(130) + "c23e08" + "626f6479626f6479";
  const message = flightData(ascii("h".repeat(130)), [ascii("body"), ascii("body")], 8);
  const bytes = new Uint8Array(message.byteLength + 5);
  message.writeTo(bytes, 5);
  equal(bytes.subarray(5).toHex(), hex);
});

for (const size of [1, 127, 128, 16_383, 16_384, 2_097_152, 3_000_000]) {
  Deno.test(`flightData() of a body of ${size} bytes is as long as it says`, () => {
    const body = new Uint8Array(size).fill(7);
    const message = flightData(ascii("header"), [body], size);
    const bytes = new Uint8Array(message.byteLength);
    message.writeTo(bytes, 0);
    const table = { header: [2, "bytes"], body: [1000, "bytes"] } as const;
    deepEqual(decodeMessage(table, bytes), { header: ascii("header"), body });
  });
}
