import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { after, before, describe, it } from "node:test";
import { NO_ERROR, REFUSED_STREAM } from "../../src/wire/http2/error-codes.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type Http2Service, startHttp2Service } from "../support/http2-service.js";
import { findFreePort } from "../support/upstream.js";
import { answer, type RawConnection, startRawHttp2 } from "../unit/upstream/raw-http2.js";
import type { RawServer } from "../unit/upstream/support.js";
import * as raw from "../unit/wire/http2/raw-frames.js";

const BIG = randomBytes(5 * 1024 * 1024);
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let aborted = 0;

function serveStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => undefined);
  const path = headers[":path"];
  if (path === "/big" || path === "/unknown-length") {
    stream.respond({ ":status": 200, ...(path === "/big" && { "content-length": String(BIG.length) }) });
    return void stream.end(BIG);
  }
  if (path === "/204") return void stream.respond({ ":status": 204 }, { endStream: true });
  if (path === "/hints") stream.additionalHeaders({ ":status": 103, link: "</a.css>" });
  if (path === "/forever") {
    stream.respond({ ":status": 200 });
    stream.write("begun");
    stream.on("close", () => aborted++);
    return;
  }
  if (path === "/hash") {
    const hash = createHash("sha256");
    stream.on("data", (bytes: Buffer) => hash.update(bytes));
    stream.on("end", () => {
      stream.respond({ ":status": 200 });
      stream.end(hash.digest("hex"));
    });
    return;
  }
  stream.respond({ ":status": 200, "set-cookie": ["a=1", "b=2"], "content-type": "application/json" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
  stream.end(JSON.stringify(headers));
}

const admin = 'admin: { bind: "127.0.0.1:0" }\nworkers: 1\n';

describe("services that speak HTTP/2, behind an HTTP/1.1 listener", () => {
  let service: Http2Service;
  let gateway: Gateway;
  let base = "";

  before(async () => {
    service = await startHttp2Service(serveStream);
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, protocol: h2c, endpoints: { static: [{ address: "${service.address}" }] } }]
${admin}`);
    base = `http://127.0.0.1:${gateway.port("public")}`;
  });
  after(async () => {
    await gateway?.stop();
    await service?.close();
  });

  it("get the request as HTTP/2 says it, and their answer comes back as HTTP/1.1", async () => {
    const { status, headers, body } = await fetchOnce(`${base}/a?b=c`, {
      headers: { host: "api.example.com", connection: "x-hop", "x-hop": "1", te: "trailers" },
    });
    const asked = JSON.parse(body.toString()) as Record<string, string>;
    assert.equal(status, 200);
    assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
    assert.deepEqual(
      [asked[":method"], asked[":path"], asked[":authority"], asked[":scheme"]],
      ["GET", "/a?b=c", "api.example.com", "http"],
    );
    assert.deepEqual([asked["x-hop"], asked["connection"], asked["x-forwarded-for"]], [undefined, undefined, "127.0.0.1"]);
  });

  it("may answer without content, to HEAD, and after hints", async () => {
    const none = await fetchOnce(`${base}/204`);
    assert.deepEqual([none.status, none.headers["content-length"], none.body.length], [204, undefined, 0]);
    const head = await fetchOnce(`${base}/big`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, String(BIG.length), 0]);
    assert.equal((await fetchOnce(`${base}/hints`)).status, 200);
  });

  it("carry large bodies both ways", async () => {
    for (const path of ["/big", "/unknown-length"]) assert.equal(hashOf((await fetchOnce(base + path)).body), hashOf(BIG), path);
    const { body } = await fetchOnce(`${base}/hash`, { method: "POST", body: BIG });
    assert.equal(body.toString(), hashOf(BIG));
  });

  it("carry many requests at a time over few connections", async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => fetchOnce(`${base}/n/${i}`)));
    answers.forEach(({ body }, i) => assert.equal((JSON.parse(body.toString()) as Record<string, string>)[":path"], `/n/${i}`));
    assert.ok(service.sessions() <= 4, `${service.sessions()} connections`);
  });

  it("learn that a client has gone", async () => {
    const before = aborted;
    const request = httpRequest(`${base}/forever`, (response) => response.once("data", () => request.destroy()));
    request.on("error", () => undefined);
    request.end();
    await eventually(() => aborted > before, "the stream to be cancelled");
  });

  it("cannot be reached by WebSocket, and that is said", async () => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const { status } = await fetchOnce(`${base}/ws`, { headers });
    assert.equal(status, 501);
    const line = await eventually(() => logLines(gateway.stdout()).find((each) => each["path"] === "/ws"), "the line in the log");
    assert.equal(line["error"] ?? line["errorCode"], "upgrade-not-supported", JSON.stringify(line));
  });
});

describe("requests that an HTTP/2 service has not looked at", () => {
  let first: RawServer;
  let second: RawServer;
  let gateway: Gateway;
  let base = "";
  /** What the first endpoint does with each request, in order of arrival; then it answers. */
  let script: ((connection: RawConnection, id: number) => void)[] = [];
  /** By stream; those that the script takes care of have none. */
  const bodies = new Map<number, Buffer>();

  before(async () => {
    first = await startRawHttp2({
      onRequest: (connection, id) => {
        const say = script.shift();
        bodies.delete(id);
        if (say !== undefined) return say(connection, id);
        bodies.set(id, Buffer.alloc(0));
        if (connection.frames.some(({ streamId, flags, type }) => type === 1 && streamId === id && (flags & 1) !== 0))
          connection.send(answer(id, "first"));
      },
      onFrame: (connection, { type, streamId, flags, payload }) => {
        const before = bodies.get(streamId);
        if (type !== 0 || before === undefined) return;
        bodies.set(streamId, Buffer.concat([before, payload]));
        if ((flags & 1) !== 0) connection.send(answer(streamId, `first ${bodies.get(streamId)}`));
      },
    });
    second = await startRawHttp2({ onRequest: (connection, id) => connection.send(answer(id, "second")) });
    const [a, b, c] = [first.port, second.port, await findFreePort()].map((port) => `{ address: "127.0.0.1:${port}" }`);
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: both, match: [{ path: { value: /both } }], backends: [{ service: both }] }
  - { name: alone, match: [{ path: { value: /alone } }], backends: [{ service: alone }], retry: { attempts: 0 } }
  - { name: dead, match: [{ path: { value: /dead } }], backends: [{ service: dead }] }
services:
  - { name: alone, protocol: h2c, endpoints: { static: [${a}] } }
  - { name: both, protocol: h2c, endpoints: { static: [${a}, ${b}] } }
  - { name: dead, protocol: h2c, endpoints: { static: [${c}] } }
${admin}`);
    base = `http://127.0.0.1:${gateway.port("public")}`;
  });
  after(async () => {
    await gateway?.stop();
    await first?.close();
    await second?.close();
  });

  const refuses = ({ send }: RawConnection, id: number): void => send(raw.reset(id, REFUSED_STREAM));
  const goesAway = ({ send }: RawConnection, id: number): void => send(raw.goAway(Math.max(0, id - 2), NO_ERROR));

  for (const [name, behaviour] of [
    ["refused streams", refuses],
    ["GOAWAY", goesAway],
  ] as const) {
    it(`are repeated at the same endpoint, whatever the method is (${name})`, async () => {
      for (const method of ["GET", "POST"]) {
        script = [behaviour];
        const call = method === "GET" ? { method } : { method, body: Buffer.from("once") };
        const { status, body } = await fetchOnce(`${base}/alone`, call);
        assert.deepEqual([status, body.toString()], [200, method === "GET" ? "first" : "first once"]);
      }
    });
  }

  it("fail when they are refused again and there is nobody else", async () => {
    script = [refuses, refuses];
    assert.equal((await fetchOnce(`${base}/alone`)).status, 503);
    script = [];
  });

  it("fail when they cannot be sent again, because they are too large to be kept", async () => {
    script = [({ send }, id) => setTimeout(() => send(raw.reset(id, REFUSED_STREAM)), 100)];
    const { status } = await fetchOnce(`${base}/alone`, { method: "POST", body: Buffer.alloc(300_000) });
    assert.equal(status, 503);
  });

  it("go to another endpoint when they are refused again", async () => {
    for (let i = 0; i < 4; i++) {
      script = [refuses, refuses];
      const { status } = await fetchOnce(`${base}/both`, { method: "POST", body: Buffer.from("x") });
      assert.equal(status, 200);
    }
    script = [];
  });

  it("fail at once when nobody listens", async () => {
    assert.equal((await fetchOnce(`${base}/dead`)).status, 503);
  });
});
