import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, type Call, fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { findFreePorts, startRawUpstream, startStreamingUpstream, type Upstream } from "../support/upstream.js";

/** What an endpoint does with a request whose head has arrived. */
type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

interface Arrival {
  readonly endpoint: string;
  readonly method: string;
  readonly contentLength: string | undefined;
  /** Of the whole body; "" until it is complete. */
  hash: string;
  isClosed: boolean;
}

const hashOf = (body: Uint8Array): string => createHash("sha256").update(body).digest("hex");
const NO_BODY = hashOf(Buffer.alloc(0));

const whenRead =
  (then: Behaviour): Behaviour =>
  (request, response) =>
    request.on("end", () => then(request, response));

const answers = (status: number, body = `status ${status}`, headers: Record<string, string> = { connection: "close" }): Behaviour =>
  whenRead((_request, response) => response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers }).end(body));

const ok = answers(200, "good");
const keepAlive = (status: number): Behaviour => answers(status, `status ${status}`, {});
const resets: Behaviour = whenRead((request) => request.socket.resetAndDestroy());
const closes: Behaviour = whenRead((request) => request.socket.destroy());
const hangs: Behaviour = () => {};

const garbage: Behaviour = whenRead(({ socket }) => socket.end(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x0d, 0x0a])));

const ALL = 'on: [connect-failure, reset, timeout, malformed, "503", 502], budgetMinPerSecond: 1000';

describe("retries", () => {
  let upstreams: Upstream[] = [];
  let gateway: Gateway;
  /** The n-th request to arrive meets the n-th behaviour, whichever endpoint it comes to; later ones are answered well. */
  let script: Behaviour[] = [];
  let arrivals: Arrival[] = [];
  let paths = 0;
  let deadAddresses: string[] = [];

  before(async () => {
    for (const name of ["a", "b", "c"])
      upstreams.push(await startStreamingUpstream((request, response) => arrive(name, request, response)));
    // Ends every connection without having read or written a byte.
    const mute = await startRawUpstream((socket) => void socket.destroy());
    upstreams.push(mute);
    deadAddresses = (await findFreePorts(2)).map((port) => `127.0.0.1:${port}`);
    const [a, b, c] = upstreams.map(({ address }) => `{ address: "${address}" }`);
    const dead = deadAddresses.map((address) => `{ address: "${address}" }`).join(", ");
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: plain, match: [{ path: { value: /plain } }], backends: [{ service: three }], retry: { attempts: 2 } }
  - { name: all, match: [{ path: { value: /all } }], backends: [{ service: three }], retry: { attempts: 2, ${ALL} } }
  - { name: one, match: [{ path: { value: /one } }], backends: [{ service: one }], retry: { attempts: 2, ${ALL} } }
  - { name: none, match: [{ path: { value: /none } }], backends: [{ service: one }], retry: { attempts: 0, ${ALL} } }
  - { name: any, match: [{ path: { value: /any } }], backends: [{ service: any }], retry: { attempts: 2, ${ALL} } }
  - name: small
    match: [{ path: { value: /small } }]
    backends: [{ service: three }]
    retry: { attempts: 2, maxReplayBytes: 1KiB, ${ALL} }
  - name: broke
    match: [{ path: { value: /broke } }]
    backends: [{ service: broke }]
    retry: { attempts: 2, on: [reset, 503], budgetPercent: 0, budgetMinPerSecond: 0 }
  - name: slow
    match: [{ path: { value: /slow } }]
    backends: [{ service: three }]
    timeouts: { request: 10s, backendRequest: 300ms }
    retry: { attempts: 2, ${ALL} }
  - name: late
    match: [{ path: { value: /late } }]
    backends: [{ service: three }]
    timeouts: { request: 1s, backendRequest: 400ms }
    retry: { attempts: 10, ${ALL} }
  - name: impatient
    match: [{ path: { value: /impatient } }]
    backends: [{ service: three }]
    timeouts: { request: 10s, backendRequest: 300ms }
    retry: { attempts: 2, on: [reset, 503], budgetMinPerSecond: 1000 }
  - { name: dead, match: [{ path: { value: /dead } }], backends: [{ service: dead }], retry: { attempts: 2, budgetMinPerSecond: 1000 } }
  - name: dead-broke
    match: [{ path: { value: /dead-broke } }]
    backends: [{ service: dead }]
    retry: { attempts: 2, budgetPercent: 0, budgetMinPerSecond: 0 }
  - { name: mute, match: [{ path: { value: /mute } }], backends: [{ service: mute }], retry: { attempts: 2, ${ALL} } }
services:
  - { name: three, balance: { retryAfter: { max: 0s } }, endpoints: { static: [${a}, ${b}, ${c}] } }
  - { name: any, balance: { algorithm: random }, endpoints: { static: [${a}, ${b}, ${c}] } }
  - { name: one, endpoints: { static: [${a}] } }
  - { name: broke, endpoints: { static: [${a}, ${b}] } }
  - { name: dead, endpoints: { static: [${dead}, ${a}] } }
  - { name: mute, endpoints: { static: [{ address: "${mute.address}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    upstreams = [];
  });
  beforeEach(() => {
    script = [];
    arrivals = [];
  });

  function arrive(endpoint: string, request: IncomingMessage, response: ServerResponse): void {
    const { method = "", headers } = request;
    const arrival: Arrival = { endpoint, method, contentLength: headers["content-length"], hash: "", isClosed: false };
    arrivals.push(arrival);
    const hash = createHash("sha256");
    request.on("data", (chunk: Buffer) => hash.update(chunk));
    request.on("end", () => {
      arrival.hash = hash.digest("hex");
    });
    request.on("error", () => {});
    request.socket.once("close", () => {
      arrival.isClosed = true;
    });
    (script.shift() ?? ok)(request, response);
  }

  /** A path of its own, so that the log line can be found. */
  function url(route: string): string {
    paths += 1;
    return `http://127.0.0.1:${gateway.port("public")}/${route}/${paths}`;
  }

  async function logOf(target: string): Promise<Record<string, unknown>> {
    const { pathname } = new URL(target);
    return eventually(() => logLines(gateway.stdout()).find(({ path }) => path === pathname), `the log line of ${pathname}`);
  }

  async function ask(route: string, call: Call = {}): Promise<{ answer: Answer; log: Record<string, unknown> }> {
    const target = url(route);
    const answer = await fetchOnce(target, call);
    return { answer, log: await logOf(target) };
  }

  const endpoints = (): string[] => arrivals.map(({ endpoint }) => endpoint);

  for (const [what, failure] of [
    ["a reset before the first byte", resets],
    ["an orderly close before the first byte", closes],
    ["bytes that are not HTTP", garbage],
    ["a chosen status", answers(503)],
    ["another chosen status", answers(502)],
  ] as const) {
    it(`repeats ${what} on another endpoint`, async () => {
      script = [failure];
      const { answer, log } = await ask("all");
      assert.deepEqual([answer.status, answer.text], [200, "good"]);
      assert.equal(arrivals.length, 2);
      assert.notEqual(arrivals[0]?.endpoint, arrivals[1]?.endpoint);
      assert.deepEqual([log.attempts, log.flag, log.status], [2, "", 200]);
      assert.equal(answer.headers["x-windrose-attempts"], undefined, "how often is nobody's business outside");
    });
  }

  it("asks three different endpoints, whatever goes wrong with each", async () => {
    for (const failures of [
      [answers(503), resets],
      [closes, answers(502)],
      [answers(503), answers(503)],
    ]) {
      arrivals = [];
      script = [...failures];
      const { answer, log } = await ask("all");
      assert.equal(answer.status, 200);
      assert.deepEqual(endpoints().sort(), ["a", "b", "c"]);
      assert.equal(log.attempts, 3);
    }
    for (let i = 0; i < 8; i++) {
      arrivals = [];
      script = [answers(503), answers(503)];
      assert.equal((await ask("any")).answer.status, 200);
      assert.deepEqual(endpoints().sort(), ["a", "b", "c"], "drawn by chance");
    }
  });

  it("repeats on the only endpoint when there is no other", async () => {
    script = [answers(503), resets];
    const { answer } = await ask("one");
    assert.equal(answer.status, 200);
    assert.deepEqual(endpoints(), ["a", "a", "a"]);
  });

  it("passes the last answer on when retries are used up", async () => {
    script = [
      answers(503, "first"),
      answers(503, "second"),
      answers(503, "third", { connection: "close", "x-mine": "1", "retry-after": "7" }),
    ];
    const { answer, log } = await ask("all");
    assert.deepEqual([answer.status, answer.text, answer.headers["x-mine"], answer.headers["retry-after"]], [503, "third", "1", "7"]);
    assert.equal(answer.headers["content-type"], undefined, "not a local reply");
    assert.deepEqual([log.attempts, log.flag, log.error], [3, "", ""]);
  });

  it("passes the answer on when the budget is used up", async () => {
    script = [answers(503, "mine"), ok];
    const refused = await ask("broke");
    assert.deepEqual([refused.answer.status, refused.answer.text, refused.log.attempts], [503, "mine", 1]);
    script = [resets];
    const failed = await ask("broke");
    assert.deepEqual([failed.answer.status, failed.log.flag, failed.log.attempts], [502, "UR", 1]);
    assert.equal(arrivals.length, 2);
  });

  it("repeats nothing that the route does not name", async () => {
    script = [answers(500, "own")];
    assert.equal((await ask("all")).answer.text, "own");
    script = [answers(503, "own")];
    assert.equal((await ask("plain")).answer.text, "own");
    script = [closes];
    assert.equal((await ask("plain")).answer.status, 502);
    script = [answers(503, "own")];
    assert.equal((await ask("none")).answer.text, "own");
    script = [hangs];
    assert.equal((await ask("impatient")).answer.status, 504);
    assert.equal(arrivals.length, 5);
  });

  for (const method of ["POST", "PATCH"]) {
    it(`never repeats a ${method} that a service may have seen`, async () => {
      for (const body of ["", "x".repeat(100)]) {
        script = [answers(503, "own")];
        assert.equal((await ask("all", { method, body, headers: { "content-length": body.length } })).answer.text, "own");
        script = [resets];
        assert.equal((await ask("all", { method, body, headers: { "content-length": body.length } })).answer.status, 502);
        script = [hangs];
        assert.equal((await ask("slow", { method, body, headers: { "content-length": body.length } })).answer.status, 504);
      }
      // Ended by the service before a byte of it was read; the gateway cannot know.
      const { answer, log } = await ask("mute", { method, body: "x", headers: { "content-length": 1 } });
      assert.deepEqual([answer.status, log.attempts], [502, 1]);
      assert.equal(arrivals.length, 6);
    });
  }

  it("takes retries after refused connections for free: without a budget, two dead endpoints of three are not felt", async () => {
    const attempts: unknown[] = [];
    for (let i = 0; i < 6; i++) {
      const { answer, log } = await ask("dead-broke");
      assert.equal(answer.status, 200);
      attempts.push(log.attempts);
    }
    assert.ok(attempts.includes(3), String(attempts));
  });

  it("repeats a failed connect for every method, with the body", async () => {
    const body = randomBytes(50_000);
    for (const method of ["GET", "POST", "PATCH", "DELETE"]) {
      arrivals = [];
      const hasBody = method === "POST" || method === "PATCH";
      const call: Call = hasBody ? { method, body, headers: { "content-length": body.length } } : { method };
      // Turns go round: among three requests one meets both dead endpoints first.
      const attempts: unknown[] = [];
      for (let i = 0; i < 3; i++) {
        const { answer, log } = await ask("dead", call);
        assert.equal(answer.status, 200, method);
        attempts.push(log.attempts);
      }
      assert.ok(attempts.includes(3), `${method}: ${attempts}`);
      assert.deepEqual(
        arrivals.map(({ hash }) => hash),
        Array(3).fill(hasBody ? hashOf(body) : NO_BODY),
      );
    }
  });

  it("sends a body again byte for byte, of known length and chunked", async () => {
    const body = randomBytes(60_000);
    for (const headers of [{ "content-length": body.length }, { "transfer-encoding": "chunked" }]) {
      arrivals = [];
      script = [answers(503), resets];
      const { answer, log } = await ask("all", { method: "PUT", body, headers });
      assert.deepEqual([answer.status, log.attempts], [200, 3]);
      assert.deepEqual(endpoints().sort(), ["a", "b", "c"]);
      for (const arrival of arrivals) {
        assert.equal(arrival.hash, hashOf(body));
        assert.equal(arrival.contentLength, "content-length" in headers ? String(body.length) : undefined);
      }
    }
  });

  it("repeats an upload that is answered in the middle, and sends it whole", async () => {
    const [first, second] = [randomBytes(20_000), randomBytes(20_000)];
    script = [(_request, response) => void response.writeHead(503, { "content-length": "0" }).end()];
    const target = url("all");
    const request = httpRequest(target, { method: "PUT", agent: false, headers: { "transfer-encoding": "chunked" } });
    const status = new Promise((resolve, reject) => {
      request.on("error", reject).on("response", (response) => resolve(response.resume().statusCode));
    });
    request.write(first);
    await eventually(() => arrivals.length === 2, "the second attempt, before the upload is complete");
    request.end(second);
    assert.equal(await status, 200);
    assert.equal(arrivals[1]?.hash, hashOf(Buffer.concat([first, second])));
    assert.notEqual(arrivals[0]?.endpoint, arrivals[1]?.endpoint);
    await eventually(() => arrivals[0]?.isClosed, "the end of the connection that is owed half a request");
  });

  it("does not repeat a body that it has not kept", async () => {
    script = [answers(503, "own")];
    const large = randomBytes(70_000);
    const { answer } = await ask("all", { method: "PUT", body: large, headers: { "content-length": large.length } });
    assert.deepEqual([answer.status, answer.text], [503, "own"]);
    for (const [bytes, expected] of [
      [1024, 200],
      [1025, 503],
    ] as const) {
      script = [answers(503)];
      const body = randomBytes(bytes);
      const { answer: small } = await ask("small", { method: "PUT", body, headers: { "content-length": bytes } });
      assert.equal(small.status, expected, `${bytes} bytes`);
    }
  });

  it("gives an attempt up at its timeout and asks another endpoint", async () => {
    script = [hangs, hangs];
    const { answer, log } = await ask("slow");
    assert.equal(answer.status, 200);
    assert.deepEqual(endpoints().sort(), ["a", "b", "c"]);
    assert.deepEqual([log.attempts, log.flag], [3, ""]);
    await eventually(() => arrivals[0]?.isClosed && arrivals[1]?.isClosed, "the end of the abandoned connections");
  });

  it("answers 504 when every attempt timed out", async () => {
    script = [hangs, hangs, hangs];
    const { answer, log } = await ask("slow");
    assert.deepEqual([answer.status, log.attempts, log.flag], [504, 3, "UT"]);
  });

  it("stops at the route's request timeout, however many attempts are left", async () => {
    script = Array(20).fill(hangs);
    const { answer, log } = await ask("late");
    assert.deepEqual([answer.status, log.flag], [504, "UT"]);
    assert.match(String(log.detail), /request timeout/);
    assert.ok(arrivals.length >= 2 && arrivals.length <= 3, String(arrivals.length));
    assert.ok(Number(log.durationMs) < 3_000, String(log.durationMs));
  });

  it("never repeats after the head: the client sees a broken response", async () => {
    script = [
      (request, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write("half", () => request.socket.resetAndDestroy());
      },
    ];
    const target = url("all");
    await assert.rejects(fetchOnce(target));
    const log = await logOf(target);
    assert.deepEqual([log.attempts, arrivals.length], [1, 1]);
  });

  it("lets a long answer that it drops go unread, and none of it reaches the client", async () => {
    const megabyte = "x".repeat(1024 * 1024);
    script = [answers(503, megabyte, {}), answers(502, megabyte, {})];
    const { answer, log } = await ask("all");
    assert.deepEqual([answer.status, answer.text, log.bytesOut], [200, "good", 4]);
    await eventually(() => arrivals[0]?.isClosed && arrivals[1]?.isClosed, "the end of the connections in mid-answer");
  });

  it("uses the connection of a short dropped answer again", async () => {
    script = [keepAlive(200)];
    await ask("one");
    const before = upstreams[0]?.connections();
    script = [keepAlive(503), keepAlive(503), keepAlive(200), keepAlive(200)];
    assert.equal((await ask("one")).answer.status, 200);
    await ask("one");
    assert.equal(upstreams[0]?.connections(), before);
    assert.equal(arrivals.length, 5);
  });

  it("drops answers to HEAD, without a body, and in chunks", async () => {
    script = [answers(503)];
    assert.equal((await ask("all", { method: "HEAD" })).answer.status, 200);
    script = [(_request, response) => void response.writeHead(503, { "content-length": "0" }).end()];
    assert.equal((await ask("all")).answer.status, 200);
    script = [
      (_request, response) => {
        response.writeHead(503).write("one");
        response.end("two");
      },
    ];
    assert.equal((await ask("all")).answer.text, "good");
  });

  it("repeats a stale connection on a fresh one without touching attempts or budget", async () => {
    for (const route of ["none", "broke"]) {
      script = [keepAlive(200), keepAlive(200)];
      // Two, so that both endpoints of the second service have a connection waiting.
      await ask(route);
      await ask(route);
      script = [closes];
      arrivals = [];
      const { answer, log } = await ask(route);
      assert.deepEqual([answer.status, log.attempts], [200, 2], route);
      assert.equal(arrivals[0]?.endpoint, arrivals[1]?.endpoint);
    }
  });

  it("may find a stale connection at every endpoint it comes to", async () => {
    const idle = [keepAlive(200), keepAlive(200), keepAlive(200)];
    script = [...idle];
    for (const _ of idle) await ask("all");
    // Stale, its repetition answered 503; then the same at the next endpoint; the third one answers.
    script = [closes, answers(503), closes, answers(503), ok];
    arrivals = [];
    const { answer, log } = await ask("all");
    assert.deepEqual([answer.status, log.attempts], [200, 5]);
    const [first, again, second, secondAgain, third] = endpoints();
    assert.deepEqual([first, second], [again, secondAgain]);
    assert.equal(new Set([first, second, third]).size, 3);
  });

  it("ends the second attempt too when the client leaves during it", async () => {
    script = [answers(503), hangs];
    const target = url("all");
    const request = httpRequest(target, { agent: false });
    request.on("error", () => {});
    request.end();
    await eventually(() => arrivals.length === 2, "the second attempt");
    request.destroy();
    const log = await logOf(target);
    assert.deepEqual([log.attempts, log.flag], [2, "DC"]);
    await eventually(() => arrivals[1]?.isClosed, "the end of its connection");
    assert.equal((await ask("all")).answer.status, 200, "and the gateway goes on");
  });

  it("counts retries by service", async () => {
    const retries = async (): Promise<number> => {
      const { text } = await fetchOnce(`${gateway.admin.url}/metrics`);
      return Number(/^windrose_upstream_retries_total\{[^}]*service="three"[^}]*\} (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
    };
    script = [answers(503), answers(503)];
    const before = await retries();
    await ask("all");
    // Workers report in intervals.
    await eventually(async () => (await retries()) >= before + 2, "two more retries in the metrics");
  });
});
