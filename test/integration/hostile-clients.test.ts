/**
 * Malformed requests of every kind against a whole gateway, with an upstream that records what reached it: the status,
 * the flag in the log, and above all what the service must never see.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw } from "../support/raw-socket.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

/**
 * `status` 0: the connection may also just be closed without an answer. uWebSockets.js closes it when it takes the rest
 * of the bytes for a second request while the refusal of the first is on its way, and on heads it cannot read at all.
 */
interface Attack {
  readonly name: string;
  readonly bytes: string;
  readonly status: number;
}

const H = "Host: api.test\r\n";
const get = (fields: string, target = "/evil"): string => `GET ${target} HTTP/1.1\r\n${H}${fields}\r\n`;
const post = (fields: string, body: string): string => `POST /evil HTTP/1.1\r\n${H}${fields}\r\n${body}`;
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";

const ATTACKS: readonly Attack[] = [
  {
    name: "Content-Length with Transfer-Encoding",
    bytes: post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${SMUGGLED}`),
    status: 400,
  },
  {
    name: "an empty Content-Length with Transfer-Encoding",
    bytes: post("Content-Length:\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${SMUGGLED}`),
    status: 0,
  },
  {
    name: "an empty Transfer-Encoding with Content-Length",
    bytes: post("Transfer-Encoding:\r\nContent-Length: 3\r\n", `abc${SMUGGLED}`),
    status: 0,
  },
  {
    name: "an empty Transfer-Encoding and a chunked one",
    bytes: post("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${SMUGGLED}`),
    status: 400,
  },
  { name: "Transfer-Encoding: identity", bytes: post("Transfer-Encoding: identity\r\n", SMUGGLED), status: 400 },
  {
    name: "Transfer-Encoding: chunked, identity",
    bytes: post("Transfer-Encoding: chunked, identity\r\n", `0\r\n\r\n${SMUGGLED}`),
    status: 0,
  },
  { name: "Transfer-Encoding: xchunked", bytes: post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${SMUGGLED}`), status: 0 },
  {
    name: "two Transfer-Encoding fields",
    bytes: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${SMUGGLED}`),
    status: 0,
  },
  { name: "two different lengths", bytes: post("Content-Length: 3\r\nContent-Length: 50\r\n", `abc${SMUGGLED}`), status: 0 },
  { name: "two equal lengths", bytes: post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), status: 400 },
  { name: "a list of lengths", bytes: post("Content-Length: 3, 3\r\n", `abc${SMUGGLED}`), status: 400 },
  { name: "a negative length", bytes: post("Content-Length: -1\r\n", SMUGGLED), status: 400 },
  { name: "a signed length", bytes: post("Content-Length: +5\r\n", "abcde"), status: 400 },
  { name: "a hexadecimal length", bytes: post("Content-Length: 0x3\r\n", "abc"), status: 400 },
  { name: "an empty length", bytes: post("Content-Length:\r\n", SMUGGLED), status: 0 },
  { name: "a giant length", bytes: post("Content-Length: 9999999999999999999\r\n", "a"), status: 400 },
  { name: "a space before the colon", bytes: post("Content-Length : 3\r\n", "abc"), status: 400 },
  { name: "an obsolete fold", bytes: get("X-A: 1\r\n 2\r\n"), status: 400 },
  { name: "a bare LF between fields", bytes: `GET /evil HTTP/1.1\n${H}\n`, status: 0 },
  { name: "a NUL in a value", bytes: get("X-A: a\0b\r\n"), status: 400 },
  { name: "a DEL in a value", bytes: get("X-A: a\x7fb\r\n"), status: 400 },
  { name: "an underscore in a name", bytes: get("X_A: 1\r\n"), status: 400 },
  { name: "no Host", bytes: "GET /evil HTTP/1.1\r\n\r\n", status: 400 },
  { name: "an empty Host", bytes: "GET /evil HTTP/1.1\r\nHost:\r\n\r\n", status: 400 },
  { name: "two Hosts", bytes: "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", status: 400 },
  { name: "a Host with a path", bytes: "GET /evil HTTP/1.1\r\nHost: a b/../@c\r\n\r\n", status: 400 },
  { name: "a Host with a list", bytes: "GET /evil HTTP/1.1\r\nHost: a;for=6.6.6.6\r\n\r\n", status: 400 },
  { name: "CONNECT", bytes: `CONNECT /evil HTTP/1.1\r\n${H}\r\n`, status: 501 },
  { name: "TRACE", bytes: `TRACE /evil HTTP/1.1\r\n${H}\r\n`, status: 501 },
  { name: "a lower-case method", bytes: `get /evil HTTP/1.1\r\n${H}\r\n`, status: 501 },
  { name: "a malformed method", bytes: `G@T{ /evil HTTP/1.1\r\n${H}\r\n`, status: 400 },
  { name: "a target of two slashes", bytes: get("", "//evil.test/x"), status: 400 },
  { name: "a fragment in the target", bytes: get("", "/evil#x"), status: 400 },
  { name: "an encoded slash", bytes: get("", "/evil%2Fx"), status: 400 },
  { name: "an encoded NUL", bytes: get("", "/evil%00"), status: 400 },
  { name: "a backslash", bytes: get("", "/evil\\x"), status: 400 },
  { name: "a broken escape", bytes: get("", "/evil%zz"), status: 400 },
  { name: "an unknown expectation", bytes: get("Expect: 200-maybe\r\n"), status: 417 },
  {
    name: "a WebSocket upgrade without Connection: Upgrade",
    bytes: get("Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"),
    status: 400,
  },
  { name: "an HTTP/1.0 request", bytes: "GET /evil HTTP/1.0\r\n\r\n", status: 0 },
  { name: "an absolute-form target", bytes: `GET http://api.test/evil HTTP/1.1\r\n${H}\r\n`, status: 0 },
  { name: "an HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 0 },
  { name: "a PROXY v1 line", bytes: `PROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\n${get("")}`, status: 0 },
  { name: "TLS on a plain port", bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", status: 0 },
];

describe("a hostile client", () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await startHttpUpstream((_request, response) => response.end("ok"));
    gateway = await startGateway(`
listeners:
  - { name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http, limits: { maxBodyBytes: 1KiB, maxHeaderBytes: 8KiB } }
  - { name: named, direction: ingress, bind: "127.0.0.1:0", protocol: http, hostnames: ["*.shop.test"] }
routes:
  - { name: open, hostnames: [api.test, a.shop.test], match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }] }
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const seen = (path: string): boolean => upstream.requests.some(({ target }) => target.startsWith(path));
  const statusIn = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);

  describe("with a malformed request", { concurrency: 16 }, () => {
    for (const attack of ATTACKS) attackTest(attack);
  });

  function attackTest({ name, bytes, status }: Attack): void {
    it(`(${name}) gets ${status === 0 ? "no service" : status}, and the connection is closed`, async () => {
      const raw = await connectRaw({ port: gateway.port("public") });
      try {
        raw.send(Buffer.from(bytes, "latin1"));
        // Some only stop being answered: a second, whole request must then bring nothing either.
        if (status === 0) raw.socket.end(SMUGGLED);
        const text = await raw.untilClosed(20_000);
        const answered = statusIn(text);
        if (status === 0) assert.notEqual(answered, 200, text);
        else assert.equal(answered, status, text);
        assert.equal(text.split("HTTP/1.1 ").length - 1 <= 1, true, `one answer at most: ${text}`);
      } finally {
        raw.destroy();
      }
      assert.equal(seen("/evil") || seen("/smuggled"), false, JSON.stringify(upstream.requests.map((request) => request.target)));
    });
  }

  it("is written to the access log with its flag", async () => {
    const flags = await eventually(() => {
      const lines = logLines(gateway.stdout()).filter((line) => line.error === "bad-request");
      return lines.length >= 20 ? lines.map((line) => line.flag) : null;
    }, "log lines");
    assert.deepEqual([...new Set(flags)], ["DP"]);
  });

  const call = (path: string, options: Parameters<typeof fetchOnce>[1] = {}) =>
    fetchOnce(`http://127.0.0.1:${gateway.port("public")}${path}`, { ...options, headers: { host: "api.test", ...options.headers } });

  it("gets 413 for a body over the limit, announced or not", async () => {
    const body = "x".repeat(2048);
    assert.equal((await call("/large", { method: "POST", body, headers: { "content-length": "2048" } })).status, 413);
    assert.equal((await call("/large", { method: "POST", body, headers: { "transfer-encoding": "chunked" } })).status, 413);
    assert.equal((await call("/fits", { method: "POST", body: "x".repeat(1024) })).status, 200);
    assert.equal(seen("/large"), false);
  });

  it("gets 431 for too large a head", async () => {
    assert.equal((await call("/large-head", { headers: { "x-large": "x".repeat(9_000) } })).status, 431);
    assert.equal((await call("/good-head", { headers: { "x-large": "x".repeat(4_000) } })).status, 200);
    assert.equal(seen("/large-head"), false);
  });

  it("gets 404 where no route is and 421 where the host is not served", async () => {
    assert.equal((await call("/x", { headers: { host: "other.test" } })).status, 404);
    const named = `http://127.0.0.1:${gateway.port("named")}/`;
    assert.equal((await fetchOnce(named, { headers: { host: "a.shop.test" } })).status, 200);
    assert.equal((await fetchOnce(named, { headers: { host: "api.test" } })).status, 421);
  });

  it("has not brought a worker down", async () => {
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
    assert.equal((await call("/still-alive")).status, 200);
  });
});
