/** Frames and requests without sense, on real sockets, while exchanges run: nothing may throw, hang or stay. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectRaw } from "../support/raw-socket.js";
import { inParallel, seeded } from "./attack-support.js";
import { reply, type Seen } from "./uws-harness.js";
import { startWireHarness, type WireHarness } from "./wire-harness.js";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PIECE = Buffer.alloc(40_000, "x");

/** Every kind of answer that an exchange can give, at several moments. */
function answer(random: (below: number) => number): (one: Seen) => void {
  return (one) => {
    const { downstream } = one;
    const kinds: (() => void)[] = [
      () => reply(downstream, 200, "at once"),
      () => void setImmediate(() => reply(downstream, 200, "later")),
      () => void setTimeout(() => downstream.abort(), 2),
      () => {
        if (one.head.bodyLength === 0) return reply(downstream, 200, "nothing");
        downstream.pauseBody();
        setTimeout(() => downstream.resumeBody(), 2);
        one.onChunk = (_chunk, isLast) => isLast && reply(downstream, 200, "uploaded");
      },
      () => {
        downstream.writeHead(200, [], -1);
        downstream.write(PIECE);
        downstream.flush();
        setImmediate(() => downstream.end(["x-t", "1"]));
      },
      () => {
        downstream.writeHead(200, [], 5);
        downstream.write(Buffer.from("abc"));
        downstream.takeBack();
        reply(downstream, 502, "instead");
      },
    ];
    kinds[random(kinds.length)]?.();
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): string {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]).toString("latin1");
}

/** GET, POST or HEAD on `/`, authority `a`. */
function headBlock(random: (below: number) => number): Buffer {
  const head = [[0x82], [0x83], [0x02, 0x04, 0x48, 0x45, 0x41, 0x44]][random(3)] as number[];
  return Buffer.from([...head, 0x86, 0x84, 0x41, 0x01, 0x61]);
}

function randomFrame(random: (below: number) => number, nextStream: { id: number }): string {
  const junk = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
  const some = random(nextStream.id + 4);
  switch (random(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      const id = nextStream.id;
      nextStream.id += 2;
      return frame(1, 4 | random(2), id, headBlock(random));
    }
    case 5:
      return frame(0, random(2), some, junk);
    case 6:
      return frame(3, 0, some, Buffer.from([0, 0, 0, random(14)]));
    case 7:
      return frame(8, 0, random(2) === 0 ? 0 : some, Buffer.from([0, 0, random(4), random(256)]));
    case 8:
      return frame(6, random(2), 0, Buffer.alloc(8));
    case 9:
      return frame(4, 0, 0, Buffer.from([0, 4, 0, 0, random(256), random(256)]));
    case 10:
      return frame(1, 4 | random(2), some | 1, headBlock(random));
    default:
      return frame(random(16), random(256), random(64), junk);
  }
}

function requestBytes(random: (below: number) => number): string {
  const parts = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    "\r\n",
  ];
  let text = "";
  for (let count = 1 + random(5); count > 0; count--) text += parts[random(parts.length)];
  if (random(2) === 0) return text;
  const at = random(text.length);
  return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + random(3));
}

async function visit(harness: WireHarness, bytes: string, random: (below: number) => number): Promise<void> {
  const raw = await connectRaw(harness);
  const cuts = Array.from({ length: random(6) }, () => random(bytes.length)).sort((a, b) => a - b);
  await raw.sendSplit(bytes, cuts).catch(() => {});
  for (let turns = random(12); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  if (random(3) === 0) raw.socket.resetAndDestroy();
  else raw.socket.end();
  // Whoever does not read is given up in time, too; here the end is what matters.
  if (random(3) === 0) raw.destroy();
  setTimeout(() => raw.destroy(), 200);
}

for (const [what, makeBytes] of [
  ["HTTP/1", requestBytes],
  [
    "HTTP/2",
    (random: (below: number) => number) => {
      const next = { id: 1 };
      return PREFACE + Array.from({ length: 1 + random(60) }, () => randomFrame(random, next)).join("");
    },
  ],
] as const) {
  test(`senseless ${what} leaves nothing behind`, { timeout: 60_000 }, async () => {
    const random = seeded(20_261_121);
    const harness = await startWireHarness();
    harness.onRequest = answer(random);
    await inParallel(Array.from({ length: 400 }), 16, () => visit(harness, makeBytes(random), random));
    await harness.until(() => harness.listener.connections === 0, "all connections to end", 20_000);
    assert.deepEqual(harness.bugs, []);
    assert.ok(harness.seen.length > 400, `${harness.seen.length} requests`);
    for (const one of harness.seen) assert.ok(one.aborts <= 1);
    assert.equal(harness.listener.pendingResponses, 0);
    harness.listener.close();
  });
}
