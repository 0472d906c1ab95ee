import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { rangeAfter, rangeOfPrefix, readRange, readRefusal, readToken, readWatchMessage } from "../../../../src/discovery/etcd/messages.js";
import { readEtcdEndpoint } from "../../../../src/discovery/etcd/read-endpoint.js";

const base64 = (text: string | Buffer): string => Buffer.from(text as string).toString("base64");
const HEADER = { cluster_id: "14841639068965178418", member_id: "1", revision: "9007199254740993", raft_term: "2" };

describe("keys of a prefix in etcd", () => {
  it("are all that begin with it, and no others", () => {
    const isIn = (key: Buffer, prefix: string): boolean => {
      const { key: from, range_end: to } = rangeOfPrefix(prefix);
      return Buffer.compare(key, Buffer.from(from, "base64")) >= 0 && Buffer.compare(key, Buffer.from(to, "base64")) < 0;
    };
    const prefix = fc.string({ minLength: 1, unit: "grapheme" }).map((text) => Buffer.from(text).toString());
    fc.assert(fc.property(prefix, fc.uint8Array(), (start, rest) => isIn(Buffer.concat([Buffer.from(start), rest]), start)));
    fc.assert(
      fc.property(prefix, fc.uint8Array(), (start, other) => {
        const key = Buffer.from(other);
        return isIn(key, start) === key.subarray(0, Buffer.byteLength(start)).equals(Buffer.from(start));
      }),
    );
  });

  it("go on behind the last one of a page", () => {
    const range = rangeAfter(rangeOfPrefix("/a/"), base64(Buffer.from([47, 255, 0])));
    assert.deepEqual([...Buffer.from(range.key, "base64")], [47, 255, 0, 0]);
    assert.equal(range.range_end, base64("/a0"));
  });
});

describe("answers of etcd", () => {
  it("hold values with their revisions, which are larger than numbers can tell", () => {
    const kv = { key: base64("/a/1"), create_revision: "2", mod_revision: "9007199254740993", version: "1", value: base64("x") };
    const answer = readRange({ header: HEADER, kvs: [kv, { key: base64("/a/2") }], more: true, count: "12" });
    assert.equal(answer.revision, 9007199254740993n);
    assert.deepEqual(answer.values[0], { key: kv.key, value: kv.value, revision: 9007199254740993n });
    assert.deepEqual(answer.values[1], { key: base64("/a/2"), value: "", revision: 0n });
    assert.deepEqual([answer.count, answer.hasMore], [12, true]);
    const none = readRange({ header: HEADER });
    assert.deepEqual([none.values, none.count, none.hasMore], [[], 0, false]);
  });

  it("tell changes, and the end of the telling", () => {
    const kv = { key: base64("/a/1"), mod_revision: "7", value: base64("x") };
    const events = [{ kv }, { type: "PUT", kv }, { type: "DELETE", kv: { key: kv.key, mod_revision: "8" } }];
    const message = readWatchMessage({ result: { header: HEADER, events } });
    assert.ok(message.type === "changes");
    assert.deepEqual(
      message.changes.map(({ type }) => type),
      ["put", "put", "delete"],
    );
    assert.deepEqual(readWatchMessage({ result: { header: HEADER, created: true } }), {
      ...{ type: "changes", clusterId: HEADER.cluster_id, revision: 9007199254740993n, changes: [] },
    });
    assert.deepEqual(readWatchMessage({ result: { header: {}, canceled: true, compact_revision: "4" } }), { type: "compacted" });
    assert.deepEqual(readWatchMessage({ result: { header: {}, canceled: true, cancel_reason: "x" } }), { type: "canceled" });
    assert.deepEqual(readWatchMessage({ error: { grpc_code: 14, http_code: 503, message: "etcdserver: no leader" } }), {
      type: "failed",
      code: 14,
    });
    assert.deepEqual(readWatchMessage({ error: { code: 16 } }), { type: "failed", code: 16 });
  });

  const wrong: readonly unknown[] = [
    ...[null, 5, "x", [], {}, { header: HEADER, kvs: {} }, { header: HEADER, kvs: [null] }, { header: HEADER, kvs: [{}] }],
    ...[
      { header: HEADER, kvs: [{ key: 5 }] },
      { header: HEADER, kvs: [{ key: "" }] },
      { header: HEADER, kvs: [{ key: "a", value: 1 }] },
    ],
    ...[{ header: HEADER, count: "-1" }, { header: HEADER, count: "1e3" }, { header: { cluster_id: "1", revision: {} } }, { header: {} }],
  ];
  for (const answer of wrong) {
    it(`are refused as a whole when they are ${JSON.stringify(answer)}`, () => {
      assert.throws(() => readRange(answer), /^Error: answered with something that is not understood$/);
    });
  }

  it("are understood, or refused with one sentence, whatever they are", () => {
    const refused = (read: () => unknown): boolean => {
      try {
        read();
        return true;
      } catch (error) {
        return (error as Error).message === "answered with something that is not understood";
      }
    };
    const event = fc.record(
      { type: fc.jsonValue(), kv: fc.record({ key: fc.jsonValue(), mod_revision: fc.jsonValue() }) },
      { requiredKeys: [] },
    );
    const result = fc.record({ header: fc.constant(HEADER), events: fc.oneof(fc.jsonValue(), fc.array(event)), canceled: fc.jsonValue() });
    fc.assert(fc.property(fc.jsonValue(), (value) => refused(() => readRange(value)) && refused(() => readWatchMessage(value))));
    fc.assert(fc.property(result, (value) => refused(() => readWatchMessage({ result: value })) && refused(() => readRange(value))));
    fc.assert(fc.property(fc.string(), (body) => Number.isInteger(readRefusal(body))));
  });

  it("give a token that fits into a header field, or are refused", () => {
    assert.equal(readToken({ token: "abc.12" }), "abc.12");
    for (const token of [undefined, "", "a b", "a\r\nx: y", 5, "x".repeat(9_000)])
      assert.throws(() => readToken({ token }), /without a token/);
  });
});

describe("values of etcd's naming packages", () => {
  it("are endpoints with texts of their metadata as labels", () => {
    const at = { host: "10.0.0.5", port: 80, weight: 1, zone: "", priority: 0 };
    assert.deepEqual(readEtcdEndpoint('{"Op":0,"Addr":"10.0.0.5:80","Metadata":{"v":"2","n":1}}'), { ...at, labels: { v: "2" } });
    assert.deepEqual(readEtcdEndpoint('{"Addr":"10.0.0.5:80","Metadata":null}'), { ...at, labels: {} });
    assert.deepEqual(readEtcdEndpoint('{"Op":0,"Addr":"10.0.0.5:80","Metadata":"x"}'), { ...at, labels: {} });
  });

  it("are none when they say a removal or no address", () => {
    assert.equal(readEtcdEndpoint('{"Op":1,"Addr":"10.0.0.5:80"}'), "an Op that is not 0");
    assert.equal(readEtcdEndpoint('{"Op":0,"Addr":7}'), "no address");
    assert.equal(readEtcdEndpoint('{"Op":0,"Addr":"x"}'), "an unusable address");
  });
});
