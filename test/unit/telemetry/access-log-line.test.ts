import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ErrorCode } from "../../../src/engine/model/errors.js";
import { formatAccessLogLine, MAX_LINE_BYTES, quote } from "../../../src/telemetry/access-log-line.js";
import { RememberedText } from "../../../src/telemetry/remembered-text.js";
import { exchangeRecord } from "./exchange-record.js";

const NOW = Date.parse("2026-03-01T12:00:00.104Z");

test("a line has all fields, in the documented order", () => {
  const principal = { provider: "main", subject: "alice", claims: {} };
  const line = formatAccessLogLine(exchangeRecord({ principal, traceId: "4bf92f3577b34da6a3ce929d0e0e4736" }), NOW, false);
  assert.equal(
    line,
    '{"time":"2026-03-01T12:00:00.100Z","requestId":"req-1","listener":"public","client":"192.0.2.7","method":"GET","host":"api.example.com",' +
      '"path":"/orders/1","route":"orders","service":"orders-service","endpoint":"10.0.0.1:8080","status":200,"flag":"","error":"","detail":"",' +
      '"attempts":1,"durationMs":4.000,"upstreamMs":2.500,"bytesIn":10,"bytesOut":200,"sub":"alice","userAgent":"curl/8",' +
      '"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}\n',
  );
});

test("what was remembered of other lines never shows in this one", () => {
  const variety = fc.record({
    endpoint: fc.constantFrom("10.0.0.1:8080", "10.0.0.2:8080", ""),
    routeName: fc.constantFrom("orders", "users", ""),
    serviceName: fc.constantFrom("a", "b"),
    status: fc.constantFrom(200, 404, 503),
    attempts: fc.nat(2),
    flag: fc.constantFrom("", "UF"),
    errorCode: fc.constantFrom<ErrorCode | "">("", "connect-failed"),
    errorDetail: fc.constantFrom("", "refused"),
    listenerName: fc.constantFrom("public", "private"),
    clientAddress: fc.constantFrom("192.0.2.7", "192.0.2.8"),
    headers: fc.constantFrom<string[]>(["user-agent", "curl/8"], ["user-agent", "x".repeat(300)], []),
  });
  fc.assert(
    fc.property(fc.array(variety, { maxLength: 20 }), (records) => {
      for (const fields of records) {
        const { listenerName, clientAddress, headers, ...expected } = fields;
        const line = JSON.parse(formatAccessLogLine(exchangeRecord(fields), NOW, false));
        const { endpoint, route, service, status, attempts, flag, error, detail, listener, client } = line;
        assert.deepEqual(
          { endpoint, routeName: route, serviceName: service, status, attempts, flag, errorCode: error, errorDetail: detail },
          expected,
        );
        assert.deepEqual([listener, client], [listenerName, clientAddress]);
        assert.equal(line.userAgent.length, headers[1] === undefined ? 0 : Math.min(headers[1].length, 251));
      }
    }),
  );
});

test("a flood of distinct values is not kept", () => {
  const kept: string[] = [];
  const text = new RememberedText((value) => {
    kept.push(value);
    return value;
  });
  for (let i = 0; i < 5_000; i++) text.get(`agent ${i}`);
  text.get("agent 4999");
  text.get("agent 0");
  text.get("y".repeat(1_000));
  text.get("y".repeat(1_000));
  assert.equal(kept.length, 5_003, "agent 0 was forgotten, and long values are never kept");
});

test("the query is left out unless it is asked for", () => {
  assert.ok(!formatAccessLogLine(exchangeRecord(), NOW, false).includes("secret"));
  assert.equal(JSON.parse(formatAccessLogLine(exchangeRecord(), NOW, true)).query, "token=secret");
});

test("an exchange without upstream and without answer is told apart from a fast one", () => {
  const line = formatAccessLogLine(exchangeRecord({ upstreamHeadAt: 0, status: 0, errorCode: "downstream-abort", flag: "DC" }), NOW, false);
  const { upstreamMs, status, flag } = JSON.parse(line);
  assert.deepEqual({ upstreamMs, status, flag }, { upstreamMs: null, status: 499, flag: "DC" });
});

test("hostile values stay inside their string", () => {
  const values = ['a"b', "a\\", "a\nb\r\t\0", "caf\u00e9", "\u0080\u00ff", "\u2028\u2029", "\ud83d\ude00", "\x7f"];
  for (const value of values) {
    const line = formatAccessLogLine(exchangeRecord({ headers: ["user-agent", value] }), NOW, false);
    assert.equal(JSON.parse(line).userAgent, value);
    assert.match(line, /^[ -~]*\n$/);
  }
});

test("a lone surrogate becomes the replacement character", () => {
  assert.equal(JSON.parse(quote("a\ud800b\udc00", 100)), "a\ufffdb\ufffd");
});

test("what is too long is cut, marked, and never in the middle of an escape", () => {
  assert.equal(quote("abcdefghij", 10), '"abcdefghij"');
  assert.equal(quote("abcdefghijk", 10), '"abcd\\u2026"');
  assert.equal(JSON.parse(quote("\ud83d\ude00".repeat(3), 20)), "\ud83d\ude00\u2026");
});

test("any text gives one valid line below the atomic size of a pipe write", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 9000, size: "max" }),
    fc.string({ maxLength: 50 }),
    fc.constant("\0".repeat(9000)),
    fc.constant('"'.repeat(9000)),
  );
  fc.assert(
    fc.property(fc.array(text, { minLength: 12, maxLength: 12 }), (texts) => {
      const [a, b, c, d, e, f, g, h, i, j, k, l] = texts as [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
      ];
      const record = exchangeRecord({
        requestId: a,
        listenerName: b,
        clientAddress: c,
        method: d,
        routeName: e,
        serviceName: f,
        endpoint: g,
        errorDetail: h,
        principal: { provider: "", subject: i, claims: {} },
        headers: ["user-agent", j],
        traceId: k,
        flag: l,
      });
      record.request.path = a;
      record.request.query = b;
      record.request.host = c;
      const line = formatAccessLogLine(record, NOW, true);
      assert.ok(line.length <= MAX_LINE_BYTES, `${line.length} bytes`);
      assert.match(line, /^[ -~]*\n$/);
      assert.equal(Object.keys(JSON.parse(line)).length, 23);
    }),
    { numRuns: 100 },
  );
});

test("the longest possible line still fits", () => {
  const long = "x".repeat(9000);
  const huge = Number.MAX_SAFE_INTEGER;
  const record = exchangeRecord({
    requestId: long,
    listenerName: long,
    clientAddress: long,
    method: long,
    routeName: long,
    serviceName: long,
    endpoint: long,
    errorDetail: long,
    errorCode: "limit-store-unavailable",
    flag: long,
    principal: { provider: "", subject: long, claims: {} },
    headers: ["user-agent", long],
    traceId: long,
    attempts: huge,
    requestBytes: huge,
    responseBytes: huge,
    startedAt: 0,
    attemptStartedAt: 0.123,
    upstreamHeadAt: 123_456_789_012.345,
    completedAt: 123_456_789_012.345,
  });
  record.request.path = long;
  record.request.query = long;
  record.request.host = long;
  const line = formatAccessLogLine(record, NOW, true);
  assert.ok(line.length <= MAX_LINE_BYTES - 64, `${line.length} bytes leave too little room`);
});
