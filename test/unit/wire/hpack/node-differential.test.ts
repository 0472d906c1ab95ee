/** node:http2 (nghttp2) as the oracle: it reads the blocks that we write, and we read those that it writes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  sensitiveHeaders,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { HpackEncoder } from "../../../../src/wire/hpack/encoder.js";
import { validField } from "./arbitrary-fields.js";
import { createDecoder, encode, fieldsOf } from "./blocks.js";
import { blocksOf, FLAG, FRAME, frame, framesOf, PREFACE, tableSizeIn, tableSizeSetting } from "./raw-http2.js";

const LISTS = 400;
const SEED = 7541;
const TABLE_SIZES = [0, 100, 1000, 4096, 65_536];
/** What the table becomes in the middle of the connection. */
const LATER_TABLE_BYTES = 300;

type Fields = readonly (readonly string[])[];

const lists: readonly Fields[] = fc.sample(fc.array(validField, { maxLength: 15 }), { numRuns: LISTS, seed: SEED });

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const PSEUDO_FIELDS = [":method", "GET", ":scheme", "http", ":authority", "localhost", ":path", "/"];

/** Writes half of the lists as requests after each of node's first two SETTINGS. */
async function sendLists(socket: Socket): Promise<void> {
  const encoder = new HpackEncoder();
  const streams = lists.keys();
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  for await (const { type, flags, payload } of framesOf(socket, false)) {
    if (type !== FRAME.settings || (flags & FLAG.ack) !== 0) continue;
    encoder.setPeerTableBytes(tableSizeIn(payload));
    socket.write(frame(FRAME.settings, FLAG.ack, 0));
    for (let count = 0; count < LISTS / 2; count++) {
      const index = streams.next().value as number;
      const block = encode(encoder, [...PSEUDO_FIELDS, ...(lists[index] as Fields).flat()]);
      socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 2 * index + 1, block));
    }
  }
}

describe("node:http2 reads", () => {
  for (const tableBytes of TABLE_SIZES) {
    it(`what we write, with a table of ${tableBytes} bytes that becomes ${LATER_TABLE_BYTES}`, async (t) => {
      const server = createHttp2Server({ settings: { headerTableSize: tableBytes }, maxHeaderListPairs: 1000 });
      const received: string[][] = [];
      const isDone = new Promise<void>((resolve, reject) => {
        server.on("sessionError", reject);
        server.on("stream", (stream: ServerHttp2Stream, _headers: object, _flags: number, raw: string[]) => {
          received.push(raw);
          stream.respond({ ":status": 204 }, { endStream: true });
          if (received.length === LISTS / 2) stream.session?.settings({ headerTableSize: LATER_TABLE_BYTES });
          if (received.length === LISTS) resolve();
        });
      });
      const socket = connect(await listen(t, server), "127.0.0.1");
      t.after(() => socket.destroy());
      socket.on("error", () => {});
      sendLists(socket).catch(() => {});
      await isDone;
      for (const [index, raw] of received.entries()) assert.deepEqual(raw, [...PSEUDO_FIELDS, ...(lists[index] as Fields).flat()]);
    });
  }
});

/** node takes an object: a name comes once. Some of them are marked as never to be indexed. */
function requestObject(list: Fields): OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] } {
  const fields = Object.fromEntries(list as readonly (readonly [string, string])[]);
  return { ...fields, [sensitiveHeaders]: Object.keys(fields).filter((name) => name < "x-b") };
}

/** A server of bare frames, which collects blocks and answers none. */
async function collectBlocks(socket: Socket, tableBytes: number): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  socket.on("error", () => {});
  socket.write(Buffer.concat([frame(FRAME.settings, 0, 0, tableSizeSetting(tableBytes)), frame(FRAME.settings, FLAG.ack, 0)]));
  for await (const block of blocksOf(framesOf(socket, true))) if (blocks.push(block) === LISTS) break;
  return blocks;
}

describe("node:http2 writes", () => {
  for (const tableBytes of TABLE_SIZES) {
    it(`what we read, with a table of ${tableBytes} bytes`, async (t) => {
      const server = createServer();
      const port = await listen(t, server);
      const accepted = once(server, "connection") as Promise<[Socket]>;
      const client = connectHttp2(`http://127.0.0.1:${port}`);
      t.after(() => client.destroy());
      const collected = collectBlocks((await accepted)[0], tableBytes);
      await once(client, "remoteSettings");
      for (const list of lists) client.request({ ":path": "/", ...requestObject(list) }).on("error", () => {});
      const decoder = createDecoder({ maxTableBytes: tableBytes });
      for (const [index, block] of (await collected).entries()) {
        const fields = requestObject(lists[index] as Fields);
        const expected = Object.entries({
          ":method": "GET",
          ":path": "/",
          ":scheme": "http",
          ":authority": `127.0.0.1:${port}`,
          ...fields,
        });
        assert.deepEqual(sortedPairs(fieldsOf(decoder, block)), sortedPairs(expected.flat() as string[]));
        for (const name of fields[sensitiveHeaders] as string[]) assert.ok(decoder.neverIndexed.includes(name), name);
      }
    });
  }
});

function sortedPairs(fields: readonly string[]): string[] {
  return Array.from({ length: fields.length / 2 }, (_, at) => `${fields[2 * at]}: ${fields[2 * at + 1]}`).sort();
}
