/**
 * Prints how long HPACK takes for typical blocks, both ways: `node dist/loadtest/micro/hpack.js`. "steady" is a busy
 * connection, where most fields have been sent before; "first" is the first block of a connection. Rounds alternate and the median counts.
 */
import { HpackDecoder } from "../../src/wire/hpack/decoder.js";
import { fieldRoom, HpackEncoder } from "../../src/wire/hpack/encoder.js";

const ROUNDS = 15;
const WARM_UPS = 3;
const BLOCKS_PER_ROUND = 20_000;
const LIMITS = { maxTableBytes: 4096, maxListBytes: 61_440, maxFields: 98 };

type Message = (index: number) => string[];

interface Scenario {
  readonly name: string;
  /** Runs that many blocks. */
  readonly run: (blocks: number) => void;
  readonly rounds: number[];
}

/** As a browser sends it: a path and an id of its own per request. */
function request(index: number): string[] {
  return [
    ...[":method", "GET", ":scheme", "https", ":authority", "shop.example.com", ":path", copyOf(`/api/orders/${index % 997}?page=2`)],
    ...[
      "user-agent",
      "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
      "accept",
      "application/json, text/plain, */*",
    ],
    ...["accept-language", "en-GB,en;q=0.5", "accept-encoding", "gzip, deflate, br, zstd", "referer", "https://shop.example.com/orders"],
    ...["cookie", "session=4f0c9a8be51d4c7ea1b2c3d4e5f60718", "x-request-id", copyOf(`b7ad6b71-6920-4333-${(index % 9973) + 10_000}`)],
    ...["sec-fetch-dest", "empty", "sec-fetch-mode", "cors", "sec-fetch-site", "same-origin"],
  ];
}

/** As an API answers: the length differs, the date every so often. */
function response(index: number): string[] {
  const date = `Sat, 21 Nov 2026 11:${10 + (Math.floor(index / 1000) % 50)}:38 GMT`;
  return [
    ...[":status", "200", "content-type", "application/json; charset=utf-8", "content-length", copyOf(String(1000 + (index % 997)))],
    ...["date", date, "server", "windrose", "cache-control", "no-store", "x-content-type-options", "nosniff", "vary", "accept-encoding"],
  ];
}

/** As h2load's and nginx's simplest exchange. */
const SMALL_REQUEST = [":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/index.txt", "user-agent", "h2load"];
const SMALL_RESPONSE = [":status", "200", "content-type", "text/plain", "content-length", "1024", "server", "windrose"];

/** Strings of messages come from sockets: never the same object twice, their hashes not yet known. */
function copyOf(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

const out = Buffer.alloc(16_384);

function encodeBlock(encoder: HpackEncoder, fields: readonly string[]): number {
  let to = encoder.begin(out, 0);
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at] as string, fields[at + 1] as string];
    if (to + fieldRoom(name, value) > out.length) throw new Error("no room");
    to = encoder.field(name, value, out, to);
  }
  return to;
}

function encodeSteady(name: string, message: Message): Scenario {
  const encoder = new HpackEncoder();
  const lists = Array.from({ length: BLOCKS_PER_ROUND }, (_, index) => message(index));
  return scenario(`encode ${name}, steady`, (index) => encodeBlock(encoder, lists[index] as string[]));
}

function encodeFirst(name: string, message: Message): Scenario {
  const lists = Array.from({ length: BLOCKS_PER_ROUND }, (_, index) => message(index));
  return scenario(`encode ${name}, first`, (index) => encodeBlock(new HpackEncoder(), lists[index] as string[]));
}

function decodeSteady(name: string, message: Message): Scenario {
  const blocks = encodeBlocks(message);
  const first = blocks[0] as Buffer;
  let decoder = new HpackDecoder(LIMITS);
  return scenario(`decode ${name}, steady`, (index) => {
    const block = blocks[index] as Buffer;
    // Each round replays the connection.
    if (block === first) decoder = new HpackDecoder(LIMITS);
    if (decoder.decode(block, 0, block.length) !== null) throw new Error("refused");
  });
}

function decodeFirst(name: string, message: Message): Scenario {
  const block = Buffer.from(out.subarray(0, encodeBlock(new HpackEncoder(), message(0))));
  return scenario(`decode ${name}, first`, () => {
    if (new HpackDecoder(LIMITS).decode(block, 0, block.length) !== null) throw new Error("refused");
  });
}

function encodeBlocks(message: Message): Buffer[] {
  const encoder = new HpackEncoder();
  return Array.from({ length: BLOCKS_PER_ROUND }, (_, index) => Buffer.from(out.subarray(0, encodeBlock(encoder, message(index)))));
}

function scenario(name: string, runBlock: (index: number) => void): Scenario {
  const run = (blocks: number) => {
    for (let index = 0; index < blocks; index++) runBlock(index);
  };
  return { name, run, rounds: [] };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

const messages: Readonly<Record<string, Message>> = {
  request,
  response,
  "small request": () => SMALL_REQUEST,
  "small response": () => SMALL_RESPONSE,
};
const scenarios = Object.entries(messages).flatMap(([name, message]) => [
  ...[encodeSteady(name, message), decodeSteady(name, message), encodeFirst(name, message), decodeFirst(name, message)],
]);

for (let round = -WARM_UPS; round < ROUNDS; round++) {
  for (const { run, rounds } of scenarios) {
    const start = process.hrtime.bigint();
    run(BLOCKS_PER_ROUND);
    if (round >= 0) rounds.push(Number(process.hrtime.bigint() - start) / BLOCKS_PER_ROUND);
  }
}
for (const { name, rounds } of scenarios) process.stdout.write(`${name}: ${median(rounds).toFixed(0)} ns\n`);
for (const [name, message] of Object.entries(messages)) {
  const blocks = encodeBlocks(message);
  process.stdout.write(`${name}: ${blocks[0]?.length} bytes first, ${blocks[500]?.length} later\n`);
}
