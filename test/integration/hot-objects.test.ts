/**
 * Objects that every request makes keep one hidden class from construction to completion, whatever the request was:
 * code that has met several classes at one place is slower at each of them. Real requests of every kind go through the
 * data plane in this process, twice: V8 learns the fields' types in the first round.
 */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Principal, RequestHead } from "../../src/engine/model/request.js";
import type { HeadPolicy } from "../../src/listeners/head-rules.js";
import { gate } from "../../src/listeners/uws/gate.js";
import { encodeHead, withField } from "../../src/listeners/uws/response-head.js";
import { localReply } from "../../src/proxy/local-reply.js";
import { type Filter, refuse, respondWith } from "../../src/proxy/ports.js";
import { fetchOnce } from "../support/client.js";
import { eventually } from "../support/gateway.js";
import { connectRaw, type RawSocket } from "../support/raw-socket.js";
import { hasFastProperties, haveSameMap, ShapeWatch } from "../support/shape-watch.js";
import { findFreePort, startRawUpstream, startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { accept } from "../unit/config/fixtures.js";
import { startWatchedGateway, type WatchedGateway, watchClasses } from "./hot-objects-gateway.js";

const BIG = Buffer.alloc(16 * 1024 * 1024, "big");
const watch = new ShapeWatch();

describe("the shape watch", () => {
  class Thing {
    a = 1;
    b: number | undefined;
    stay(): void {}
    grow(): void {
      Object.assign(this, { late: 1 });
    }
    shrink(): void {
      delete (this as Partial<Thing>).a;
    }
  }

  it("accepts objects that keep their shape, whatever is in them", () => {
    const things = new ShapeWatch();
    for (const value of [1, 2, undefined]) things.show("Thing", Object.assign(new Thing(), { b: value }), "when new");
    things.showAllAgain("at the end");
    assert.deepEqual([...things.problems], []);
    assert.equal(things.count("Thing"), 3);
  });

  it("reports a property that is added late, or deleted", () => {
    const things = new ShapeWatch();
    things.watchClass("Thing", Thing);
    for (const thing of [new Thing(), new Thing()]) thing.stay();
    assert.deepEqual([...things.problems], []);
    new Thing().grow();
    assert.deepEqual([...things.problems], ["Thing after grow has not the shape of another after stay"]);
    new Thing().shrink();
    assert.equal([...things.problems][1], "Thing is a dictionary after shrink");
  });

  it("reports properties in another order", () => {
    assert.equal(haveSameMap({ a: 1, b: 2 }, { b: 2, a: 1 }), false);
    assert.ok(hasFastProperties({ a: 1 }));
  });
});

describe("every object of a request", () => {
  let upstream: Upstream;
  let odd: Upstream;
  let deadPort: number;

  before(async () => {
    upstream = await startStreamingUpstream(answer);
    odd = await startRawUpstream((socket) => answerOddly(socket));
    deadPort = await findFreePort();
    watchClasses(watch);
  });
  after(async () => {
    await upstream?.close();
    await odd?.close();
  });

  it("has one hidden class from construction to completion", async () => {
    for (const round of ["first", "second"]) {
      watch.restart();
      const gateway = await startWatchedGateway(snapshot(), watch, FILTERS);
      try {
        for (const [name, request] of Object.entries(REQUESTS)) await run(name, request, gateway);
        assert.deepEqual(gateway.bugs, []);
      } finally {
        gateway.close();
      }
      watch.showAllAgain(`after the ${round} round`);
    }
    assert.deepEqual([...watch.problems], []);
    for (const [label, atLeast] of Object.entries(LEAST_SEEN)) assert.ok(watch.count(label) >= atLeast, `${label}: ${watch.count(label)}`);
  });

  it("has one hidden class when it is an object literal or a verdict, too", () => {
    const literals = new ShapeWatch();
    const policy: HeadPolicy = { scheme: "http", maxBodyBytes: 10, maxHeaderBytes: 1000, refuseUnderscoreHeaders: true };
    const fields = [[], ["host", "a"], ["host", "a", "content-length", "5"], ["host", "a", "content-length", "50"]];
    for (const headers of [...fields, ["host", "a", "transfer-encoding", "gzip"], ["host", "a", "connection", "close"]]) {
      const verdict = literals.show(
        "GateVerdict",
        gate("GET", "/", headers.length > 2 ? "q" : undefined, [...headers], policy),
        "when new",
      );
      literals.show("RequestHead", verdict.head, "when judged");
    }
    for (const headers of [[], ["a", "1"], ["a", "1", "b", "\xff"]]) {
      const head = literals.show("EncodedHead", encodeHead(headers) as object, "when new") as NonNullable<ReturnType<typeof encodeHead>>;
      literals.show("EncodedHead", withField(head, "c", "2"), "with a field");
    }
    const head = new RequestHead("GET", "http", "a", "/", undefined, ["accept", "text/plain"]);
    for (const code of ["bad-request", "internal", "connect-failed"] as const) {
      literals.show("LocalReply", localReply(head, code, "detail", "id", []), "when new");
    }
    for (const reply of [refuse("unauthorized", "no"), refuse("forbidden", "no", ["a", "b"], "log"), respondWith(200, [], "hello")]) {
      literals.show("Reply", reply, "when new");
    }
    assert.deepEqual([...literals.problems], []);
  });

  function snapshot() {
    const at = (...ports: number[]) => `endpoints: { static: [${ports.map((port) => `{ address: "127.0.0.1:${port}" }`).join(", ")}] }`;
    return accept(
      CONFIGURATION.replace(/\$\{(.*?)\}/g, (_, names: string) => {
        const ports: Record<string, number> = { app: upstream.port, odd: odd.port, dead: deadPort };
        return at(...names.split(" ").map((name) => ports[name] as number));
      }),
    ).snapshot;
  }
});

/** Fewer, and the round has not met what it is meant to meet. */
const LEAST_SEEN: Readonly<Record<string, number>> = {
  Exchange: 40,
  ExchangeTimers: 40,
  RequestHead: 40,
  ForwardedRequest: 40,
  ResponseWriter: 40,
  Attempt: 30,
  UpstreamRequest: 30,
  Http1Call: 30,
  Http1Connection: 5,
  RequestSender: 5,
  ResponseParser: 5,
  HeadParser: 5,
  BodyDecoder: 5,
  Timer: 40,
  RequestBody: 5,
  UwsBody: 5,
  HeldBytes: 5,
  GateVerdict: 3,
  DroppedAnswer: 2,
  ResponseHead: 2,
  Reply: 2,
};

const LISTENER = `direction: ingress, bind: "127.0.0.1:0", protocol: http`;
const CONFIGURATION = `
listeners:
  - { name: public, ${LISTENER}, hostnames: [a.test], trustedProxies: [127.0.0.1], limits: { maxBodyBytes: 32MiB } }
  - { name: small, ${LISTENER}, limits: { maxBodyBytes: 1KiB } }
routes:
  - { name: plain, listeners: [public, small], match: [{ path: { value: /app } }], backends: [{ service: app }] }
  - name: filtered
    match: [{ path: { value: /filtered } }]
    filters: [{ requestHeaders: { set: { x-a: "1" }, remove: [x-b] } }, { responseHeaders: { set: { x-c: "1" } } }]
    backends: [{ service: app }]
  - { name: late, match: [{ path: { value: /late } }], backends: [{ service: app }] }
  - { name: refused, match: [{ path: { value: /refused } }], backends: [{ service: app }] }
  - { name: refused-late, match: [{ path: { value: /refused-late } }], backends: [{ service: app }] }
  - { name: respond, match: [{ path: { value: /respond } }], filters: [{ respond: { status: 200, body: hello } }] }
  - { name: dead, match: [{ path: { value: /dead } }], backends: [{ service: dead }] }
  - { name: retried, match: [{ path: { value: /app/retried } }], backends: [{ service: half }] }
  - name: unavailable
    match: [{ path: { value: /503 } }]
    retry: { attempts: 1, on: ["503"] }
    backends: [{ service: app }]
  - { name: slow, match: [{ path: { value: /silent } }], timeouts: { backendRequest: 50ms }, backends: [{ service: app }] }
  - { name: late-answer, match: [{ path: { value: /silent/long } }], timeouts: { request: 50ms }, backends: [{ service: app }] }
  - { name: endless, match: [{ path: { value: /app/endless } }], timeouts: { request: 0s }, backends: [{ service: app }] }
  - { name: queued, match: [{ path: { value: /app/queued } }], backends: [{ service: narrow }] }
  - { name: overflowing, match: [{ path: { value: /silent/full } }], timeouts: { request: 0s }, backends: [{ service: full }] }
  - { name: odd, match: [{ path: { value: /odd } }], backends: [{ service: odd }] }
services:
  - { name: app, \${app} }
  - { name: dead, \${dead} }
  - { name: half, \${dead app} }
  - { name: full, circuit: { maxConnections: 1, maxPendingRequests: 0 }, \${app} }
  - { name: narrow, circuit: { maxConnections: 1 }, \${app} }
  - { name: odd, \${odd} }
`;

const PRINCIPAL: Principal = { provider: "test", subject: "somebody", claims: { sub: "somebody" } };
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

const FILTERS: Readonly<Record<string, Filter>> = {
  filtered: {
    type: "test",
    onRequest: (context) => {
      context.principal = PRINCIPAL;
      context.addResponseHeader("x-one", "1");
      context.addResponseHeader("x-two", "2");
      return null;
    },
    onResponse: (_context, response) => {
      watch.show("ResponseHead", response, "in a filter");
      response.status = 201;
    },
  },
  late: { type: "test", onRequest: () => nextTurn().then(() => null) },
  refused: { type: "test", onRequest: () => watch.show("Reply", refuse("unauthorized", "no", ["www-authenticate", "Bearer"]), "when new") },
  "refused-late": {
    type: "test",
    onRequest: () => nextTurn().then(() => watch.show("Reply", refuse("forbidden", "no"), "when new")),
  },
};

const callsOf = (method: string) => watch.calls.get(method) ?? 0;

/** The well-behaved service: by path, and an echo of the length for uploads. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? "";
  if (path.startsWith("/silent")) return;
  if (path.startsWith("/503/long")) return void response.writeHead(503, { "content-length": 1_000_000 }).write("later");
  if (path.startsWith("/503")) return void response.writeHead(503).end("later");
  if (path.startsWith("/app/204")) return void response.writeHead(204).end();
  if (path.startsWith("/app/304")) return void response.writeHead(304, { etag: '"x"' }).end();
  if (path.startsWith("/app/big-chunked")) return void response.end(BIG.subarray(0, 1_000_000));
  if (path.startsWith("/app/big")) return void response.writeHead(200, { "content-length": BIG.length }).end(BIG);
  if (path.startsWith("/app/begun")) return void response.write("begun");
  if (path.startsWith("/app/trailers")) {
    response.writeHead(200, { trailer: "x-sum" }).write("body");
    response.addTrailers({ "x-sum": "1" });
    return void response.end();
  }
  if (path.startsWith("/app/brake")) {
    const before = callsOf("UwsBody.pause");
    request.pause();
    void eventually(() => callsOf("UwsBody.pause") > before, "the upload to be stopped").then(() => request.resume());
  }
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on("end", () => response.end(`${bytes} bytes`));
  request.on("error", () => {});
}

/** Every connection: a good answer first, then what the path says. */
function answerOddly(socket: Socket): void {
  let count = 0;
  socket.on("data", (bytes) => {
    const text = bytes.toString("latin1");
    if (text.includes("/odd/broken")) return void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    if (text.includes("/odd/garbage")) return void socket.end("SSH-2.0-OpenSSH\r\n");
    if (text.includes("/odd/stale") && count > 0) return void socket.destroy();
    count++;
    socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok");
  });
}

/** Returns what it expects the exchanges to have come to, `errorCode` of each. */
type Request = (gateway: WatchedGateway) => Promise<readonly string[]>;

async function run(name: string, request: Request, gateway: WatchedGateway): Promise<void> {
  gateway.outcomes.length = 0;
  const expected = await request(gateway).catch((cause: unknown) => {
    throw new Error(`"${name}" failed`, { cause });
  });
  await eventually(() => gateway.outcomes.length >= expected.length && gateway.state.active === 0, `the end of "${name}"`);
  assert.deepEqual(gateway.outcomes, expected, name);
}

function raw(gateway: WatchedGateway, listener = "public"): Promise<RawSocket> {
  return connectRaw({ port: gateway.ports[listener] as number });
}

/** A request that is answered, and the status of the answer. */
function plain(expected: number, line: string, ...fields: string[]): Request {
  return async (gateway) => {
    const [method, path] = line.split(" ");
    const headers = Object.fromEntries(fields.map((field) => field.split(": ") as [string, string]));
    const { status } = await fetchOnce(`http://127.0.0.1:${gateway.ports["public"]}`, {
      method: method as string,
      path: path as string,
      headers: { host: "a.test", ...headers },
    });
    assert.equal(status, expected, line);
    return [""];
  };
}

function upload(path: string, body: Buffer, headers: Record<string, string>): Request {
  return async (gateway) => {
    const options = { method: "POST", path, headers: { host: "a.test", ...headers }, body };
    const { text } = await fetchOnce(`http://127.0.0.1:${gateway.ports["public"]}`, options);
    assert.equal(text, `${body.length} bytes`);
    return [""];
  };
}

/** Bytes that the gateway answers with a local reply. */
function refusal(code: string, status: number, bytes: string, listener = "public"): Request {
  return async (gateway) => {
    const client = await raw(gateway, listener);
    client.send(bytes);
    await client.until((text) => text.startsWith(`HTTP/1.1 ${status}`) && text.includes("id"));
    client.destroy();
    return [code];
  };
}

/** The client goes away as soon as `isThere`. */
function abort(bytes: string, isThere: (client: RawSocket, gateway: WatchedGateway) => Promise<unknown>): Request {
  return async (gateway) => {
    const client = await raw(gateway);
    client.send(bytes);
    await isThere(client, gateway);
    client.destroy();
    return ["downstream-abort"];
  };
}

function isUnderWay(_client: RawSocket, { state }: WatchedGateway): Promise<unknown> {
  return eventually(() => state.active > 0, "the exchange");
}

const get = (path: string, ...fields: string[]) => `GET ${path} HTTP/1.1\r\n${["Host: a.test", ...fields].join("\r\n")}\r\n\r\n`;
const twice =
  (request: Request): Request =>
  async (gateway) => [...(await request(gateway)), ...(await request(gateway))];

const REQUESTS: Readonly<Record<string, Request>> = {
  GET: plain(200, "GET /app"),
  "GET with everything": plain(
    200,
    "GET /app/a/../b?x=1",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x-forwarded-for: 6.6.6.6",
    "x-request-id: mine",
    "via: 1.1 other",
    "connection: x-hop",
    "x-hop: 1",
  ),
  HEAD: plain(200, "HEAD /app"),
  DELETE: plain(200, "DELETE /app"),
  "no content": plain(204, "GET /app/204"),
  "not modified": plain(304, "GET /app/304"),
  "a chunked response": plain(200, "GET /app/big-chunked"),
  "a large response": plain(200, "GET /app/big"),
  trailers: plain(200, "GET /app/trailers"),
  "no deadline": plain(200, "GET /app/endless"),
  "POST of known length": upload("/app", Buffer.from("hello"), { "content-length": "5" }),
  "POST of length 0": upload("/app", Buffer.alloc(0), { "content-length": "0" }),
  "chunked POST": upload("/app", Buffer.alloc(300_000), { "transfer-encoding": "chunked" }),
  "large POST": upload("/app", BIG, { "content-length": `${BIG.length}` }),
  "POST that is stopped for a while": upload("/app/brake", BIG, { "transfer-encoding": "chunked" }),
  "filters with principal and headers": twice(plain(201, "GET /filtered", "x-b: 1")),
  "a filter that takes its time": plain(200, "GET /late"),
  "a direct response": plain(200, "GET /respond"),
  "a filter that refuses": refusal("unauthorized", 401, get("/refused", "Accept: text/plain")),
  "a filter that refuses later": refusal("forbidden", 403, get("/refused-late")),
  "no route": refusal("route-not-found", 404, get("/elsewhere")),
  "another host": refusal("host-misdirected", 421, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"),
  "a malformed path": refusal("bad-request", 400, get("/app/%2f")),
  "a loop": refusal("loop-detected", 508, get("/app", "Via: 1.1 windrose-test-public")),
  "refused by the gate": refusal("method-not-supported", 501, "TRACE /app HTTP/1.1\r\nHost: a.test\r\n\r\n"),
  "refused by the gate with a body": refusal("bad-request", 400, "POST /app HTTP/1.1\r\nHost: a b\r\nContent-Length: 5\r\n\r\nhello"),
  "unsound framing": refusal(
    "bad-request",
    400,
    "POST /app HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
  ),
  "a body that is announced too large": refusal(
    "body-too-large",
    413,
    "POST /app HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9999\r\n\r\n",
    "small",
  ),
  "a body that grows too large": refusal(
    "body-too-large",
    413,
    `POST /app HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n${"x".repeat(2048)}\r\n`,
    "small",
  ),
  "no endpoint that can be reached": refusal("connect-failed", 503, get("/dead")),
  "one endpoint that cannot be reached": twice(plain(200, "GET /app/retried")),
  "a repeated upload": twice(upload("/app/retried", Buffer.from("hello"), { "content-length": "5" })),
  "an upload without a route": refusal(
    "route-not-found",
    404,
    "POST /elsewhere HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
  ),
  "a long answer that is not passed on": twice(
    abort(get("/503/long"), (client) => client.until((text) => text.startsWith("HTTP/1.1 503") && text.includes("later"))),
  ),
  "more requests than may wait": async (gateway) => {
    const first = await raw(gateway);
    first.send(get("/silent/full"));
    await isUnderWay(first, gateway);
    const overflow = await refusal("upstream-overflow", 503, get("/silent/full"))(gateway);
    first.destroy();
    return [...overflow, "downstream-abort"];
  },
  "an answer that is not passed on": twice(plain(503, "GET /503")),
  "an attempt that times out": refusal("upstream-timeout", 504, get("/silent")),
  "a request that times out": refusal("upstream-timeout", 504, get("/silent/long")),
  "interim responses": plain(200, "GET /odd"),
  "a stale connection": twice(plain(200, "GET /odd/stale")),
  "garbage from the service": refusal("upstream-protocol", 502, get("/odd/garbage")),
  "a response that breaks off": async (gateway) => {
    const client = await raw(gateway);
    client.send(get("/odd/broken"));
    await client.untilClosed();
    return ["upstream-closed"];
  },
  "a wait for a connection": async (gateway) => {
    const both = await Promise.all([plain(200, "GET /app/queued")(gateway), plain(200, "GET /app/queued")(gateway)]);
    return both.flat();
  },
  // uWebSockets.js closes the connection over them.
  "pipelined requests": async (gateway) => {
    const client = await raw(gateway);
    client.send(get("/silent") + get("/respond"));
    await client.untilClosed();
    await eventually(() => gateway.state.active === 0, "both to be over");
    return [...gateway.outcomes];
  },
  "a slow client": async (gateway) => {
    const client = await raw(gateway);
    client.socket.pause();
    const before = callsOf("Attempt.pause");
    client.send(get("/app/big", "Connection: close"));
    await eventually(() => callsOf("Attempt.pause") > before, "the response to be stopped");
    client.socket.resume();
    await client.untilClosed(20_000);
    assert.ok(client.receivedBytes() > BIG.length);
    return [""];
  },
  "a client that leaves while it waits": abort(get("/silent"), isUnderWay),
  "a client that leaves within the response": abort(get("/app/begun"), (client) => client.until((text) => text.includes("begun"))),
  "a client that leaves within its upload": abort("POST /app HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nhello", isUnderWay),
  "a request while the gateway drains": async (gateway) => {
    gateway.state.isDraining = true;
    const outcome = await plain(200, "GET /app")(gateway);
    gateway.state.isDraining = false;
    return outcome;
  },
};
