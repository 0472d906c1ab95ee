import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameReader } from "../../../../src/discovery/zookeeper/frames.js";
import { JuteReader, JuteWriter, MalformedMessage } from "../../../../src/discovery/zookeeper/jute.js";
import {
  authRequest,
  connectRequest,
  meaningOf,
  pingRequest,
  readConnectResponse,
  readNodeData,
  readServerMessage,
  watchingRequest,
} from "../../../../src/discovery/zookeeper/messages.js";

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

describe("ZooKeeper's encoding", () => {
  it("gives back what was written", () => {
    const item = fc.oneof(
      fc.record({ kind: fc.constant("int" as const), value: fc.integer() }),
      fc.record({ kind: fc.constant("long" as const), value: long }),
      fc.record({ kind: fc.constant("text" as const), value: fc.string({ unit: "grapheme" }).map((text) => Buffer.from(text).toString()) }),
    );
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const writer = new JuteWriter();
        for (const { kind, value } of items) {
          if (kind === "int") writer.int(value);
          else if (kind === "long") writer.long(value);
          else writer.text(value);
        }
        const reader = new JuteReader(writer.frame().subarray(4));
        for (const { kind, value } of items) assert.equal(reader[kind](), value);
        assert.equal(reader.remaining, 0);
      }),
    );
  });

  it("is read within its bounds, whatever the bytes", () => {
    const reads = fc.array(fc.constantFrom("int", "long", "text", "texts"), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), reads, (bytes, kinds) => {
        const reader = new JuteReader(Buffer.from(bytes));
        try {
          for (const kind of kinds) {
            if (kind === "texts") assert.ok(reader.texts(10).length <= 10);
            else reader[kind as "int" | "long" | "text"]();
          }
        } catch (error) {
          assert.ok(error instanceof MalformedMessage || /^has \d+ nodes there, more than 10$/.test((error as Error).message));
        }
        assert.ok(reader.remaining >= 0);
      }),
    );
  });

  it("does not make room for lists that cannot be there", () => {
    const reader = new JuteReader(new JuteWriter().int(2_000_000_000).int(0).frame().subarray(4));
    assert.throws(() => reader.texts(4_000_000_000), MalformedMessage);
    assert.deepEqual(new JuteReader(Buffer.from([255, 255, 255, 255])).texts(1), []);
    assert.equal(new JuteReader(Buffer.from([255, 255, 255, 255])).text(), "");
    assert.throws(() => new JuteReader(Buffer.from([255, 255, 255, 254])).text(), MalformedMessage);
  });
});

describe("messages of ZooKeeper", () => {
  it("are cut out of bytes however these arrive", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 })), sizes, (texts, cuts) => {
        const all = Buffer.concat(texts.map((text) => new JuteWriter().text(text).frame()));
        const frames = new FrameReader(1_000);
        const found: string[] = [];
        for (let at = 0, i = 0; at < all.length; i++) {
          const end = at + (cuts[i % cuts.length] as number);
          for (const frame of frames.push(all.subarray(at, end))) found.push(new JuteReader(frame).text());
          at = end;
        }
        assert.deepEqual(found, texts);
      }),
    );
  });

  it("are not waited for when they are too long or of no length", () => {
    assert.throws(() => new FrameReader(1_000).push(Buffer.from([0, 0, 3, 233])), /more than 1000 bytes/);
    assert.throws(() => new FrameReader(1_000).push(Buffer.from([255, 255, 255, 255, 0])), MalformedMessage);
    assert.throws(() => new FrameReader(1_000).push(Buffer.from("HTTP/1.1 400 Bad Request")), /more than 1000 bytes/);
    assert.deepEqual(new FrameReader(1_000).push(Buffer.from([0, 0, 0, 0])), [Buffer.alloc(0)]);
  });

  it("are written as the server expects them", () => {
    assert.equal(
      connectRequest({ lastSeen: 7n, sessionTimeoutMs: 10_000 }).toString("hex"),
      ["0000002d", "00000000", "0000000000000007", "00002710", "0000000000000000", "00000010", "00".repeat(16), "00"].join(""),
    );
    assert.equal(pingRequest().toString("hex"), "00000008fffffffe0000000b");
    assert.equal(watchingRequest(5, 8, "/a").toString("hex"), "0000000f0000000500000008000000022f6101");
    assert.ok(authRequest("u", "p:q").subarray(12).toString().endsWith("digest\0\0\0\u0005u:p:q"));
  });

  it("are told apart", () => {
    const head = (xid: number, error: number) => new JuteWriter().int(xid).long(9n).int(error);
    const read = (writer: JuteWriter) => readServerMessage(writer.frame().subarray(4));
    assert.deepEqual(read(head(-2, 0)), { type: "pong" });
    assert.deepEqual(read(head(-4, -115)), { type: "authenticated", error: -115 });
    assert.deepEqual(read(head(-1, 0).int(4).int(3).text("/a")), { type: "event", event: "childrenChanged", path: "/a" });
    assert.deepEqual(read(head(-1, 0).int(-1).int(3).text("")), { type: "event", event: "other", path: "" });
    const reply = read(head(5, 0).text("data").long(1n).long(2n));
    assert.ok(reply.type === "reply" && reply.xid === 5 && reply.lastSeen === 9n);
    assert.deepEqual(readNodeData(reply.body), { text: "data", writtenAt: 2n });
    assert.throws(() => read(head(-7, 0)), MalformedMessage);
    assert.match(meaningOf(-102), /does not let/);
  });

  it("end in a sentence when they are malformed, and in nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const read of [readServerMessage, readConnectResponse, (frame: Buffer) => readNodeData(new JuteReader(frame))]) {
          try {
            read(Buffer.from(bytes));
          } catch (error) {
            assert.match((error as Error).message, /^(sent something that is not understood|grants no session)$/);
          }
        }
      }),
    );
  });
});
