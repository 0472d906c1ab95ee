/**
 * Clients that leave at every moment of an exchange, many at once: afterwards every exchange has been counted once in
 * metrics and access log, no connection to a service is left in use, and the balancer counts nothing as under way.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { connectRaw, type RawSocket } from "../support/raw-socket.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";
import { cpuTicks, inParallel, metric, residentMiB, seeded, untilIdle } from "./attack-support.js";

const SECRET = "a-secret-of-at-least-thirty-two-bytes!";
const BIG = Buffer.alloc(4 * 1024 * 1024, "d");

function token(subject: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const signed = `${part({ alg: "HS256", typ: "JWT", kid: "one" })}.${part({ iss: "https://id.test", aud: "api", sub: subject, exp })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

const get = (target: string, fields = ""): string => `GET ${target} HTTP/1.1\r\nHost: api.test\r\n${fields}\r\n`;
const post = (target: string, framing: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: api.test\r\n${framing}\r\n\r\n${body}`;

interface Phase {
  readonly name: string;
  readonly bytes: (index: number) => string | null;
  /** When to leave; without it, right after the bytes. */
  readonly until?: (raw: RawSocket) => Promise<unknown>;
  readonly isHalfClosed?: boolean;
}

const PHASES: readonly Phase[] = [
  { name: "before a byte", bytes: () => null },
  { name: "within the head", bytes: () => "GET /app/head HTTP/1.1\r\nHos" },
  { name: "right after the head", bytes: () => get("/app/hello") },
  { name: "while its token is verified", bytes: (index) => get("/jwt/hello", `Authorization: Bearer ${token(`s${index}`)}\r\n`) },
  { name: "while the service is connected to", bytes: () => get("/mute/connecting"), until: () => settle() },
  { name: "while the service thinks", bytes: () => get("/app/silent"), until: () => settle() },
  { name: "within the download", bytes: () => get("/app/big"), until: (raw) => raw.until((text) => text.length > 100_000) },
  { name: "within a download that it does not read", bytes: () => get("/app/big"), until: (raw) => settle(() => raw.socket.pause()) },
  { name: "within an upload", bytes: () => post("/app/upload", "Content-Length: 100000", "u".repeat(50_000)), until: () => settle() },
  {
    name: "within a chunked upload",
    bytes: () => post("/app/upload", "Transfer-Encoding: chunked", "5\r\nabcde\r\nff\r\nab"),
    until: () => settle(),
  },
  {
    name: "within an upload that nobody reads",
    bytes: () => post("/app/stall", "Content-Length: 9000000", "u".repeat(3_000_000)),
    until: () => settle(),
  },
  {
    name: "while its upload waits for a connection",
    bytes: () => post("/mute/stall", "Content-Length: 9000000", "u".repeat(500_000)),
    until: () => settle(),
  },
  {
    name: "with a half-closed connection",
    bytes: () => get("/app/silent"),
    until: (raw) => raw.untilClosed().catch(() => ""),
    isHalfClosed: true,
  },
];

/** Some moments for the bytes to get where they should be. */
async function settle(first: () => void = () => {}): Promise<void> {
  first();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("clients that leave", () => {
  const services: Upstream[] = [];
  const open = [0, 0, 0];
  const hits = [0, 0, 0];
  let gateway: Gateway;
  before(async () => {
    for (let index = 0; index < 3; index++) services.push(await startService(index));
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: app, match: [{ path: { type: PathPrefix, value: /app } }], backends: [{ service: app }] }
  - name: jwt
    match: [{ path: { type: PathPrefix, value: /jwt } }]
    filters: [{ jwt: { provider: main } }]
    backends: [{ service: app }]
  - { name: mute, match: [{ path: { type: PathPrefix, value: /mute } }], backends: [{ service: mute }] }
services:
  - name: app
    balance: { algorithm: leastRequest }
    endpoints: { static: [{ address: "${services[0]?.address}" }, { address: "${services[1]?.address}" }] }
  - { name: mute, protocol: https, endpoints: { static: [{ address: "${services[2]?.address}" }] } }
providers:
  jwt: [{ name: main, issuer: "https://id.test", audiences: [api], algorithms: [HS256], jwks: { inline: { keys: [{ kty: oct, kid: one, alg: HS256, k: "${Buffer.from(SECRET).toString("base64url")}" }] } } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    for (const service of services) await service.close();
  });

  /** The third one never shakes hands. */
  function startService(index: number): Promise<Upstream> {
    return startRawUpstream((socket) => {
      open[index] = (open[index] ?? 0) + 1;
      socket.on("close", () => {
        open[index] = (open[index] ?? 0) - 1;
      });
      socket.on("end", () => socket.end());
      if (index === 2) return void socket.resume();
      socket.on("data", (chunk) => answer(socket, chunk.toString("latin1"), index));
    });
  }

  function answer(socket: Socket, text: string, index: number): void {
    const target = /^(?:GET|POST) (\S+)/.exec(text)?.[1] ?? "";
    if (target !== "") hits[index] = (hits[index] ?? 0) + 1;
    if (target.endsWith("/hello")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    else if (target.endsWith("/big"))
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG.length}\r\n\r\n`), BIG]));
    else if (target.endsWith("/stall")) socket.pause();
  }

  it("in every phase, at once, leave nothing behind", { timeout: 120_000 }, async () => {
    const random = seeded(7);
    const visits = Array.from({ length: 20 * PHASES.length }, (_, index) => PHASES[index % PHASES.length] as Phase);
    await inParallel(visits, 40, async (phase, index) => {
      const raw = await connectRaw({ port: gateway.port("public") });
      const bytes = phase.bytes(index);
      if (bytes !== null) raw.send(bytes);
      if (phase.isHalfClosed) raw.socket.end();
      if (phase.until !== undefined) await phase.until(raw);
      else for (let turns = random(4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      if (random(2) === 0) raw.socket.resetAndDestroy();
      else raw.destroy();
    });
    await untilIdle(gateway, 30_000);
    await eventually(() => open[2] === 0, "the connections that were being opened to be gone");
    // What is left open to the others are whole connections that wait for the next request.
    await eventually(() => (open[0] ?? 0) + (open[1] ?? 0) <= 40, `only idle connections, not ${open}`);
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no downstream connections");
  });

  it("have each been counted once, in metrics and access log alike", async () => {
    assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/app/hello`)).status, 200);
    const finished = await metric(gateway, "windrose_requests_total");
    const lines = await eventually(() => {
      const all = logLines(gateway.stdout());
      return all.length >= finished ? all : null;
    }, `${finished} log lines`);
    assert.equal(lines.length, finished);
    assert.equal(new Set(lines.map((line) => line.requestId)).size, finished);
    const aborted = lines.filter((line) => line.flag === "DC").length;
    assert.equal(await metric(gateway, "windrose_aborted_exchanges_total", "downstream-abort"), aborted);
    assert.ok(aborted >= 150, `${aborted} were noticed`);
  });

  it("do not make an endpoint look busy", async () => {
    hits.fill(0);
    for (let round = 0; round < 20; round++) {
      const statuses = await Promise.all(
        Array.from({ length: 8 }, async () => (await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/app/hello`)).status),
      );
      assert.deepEqual([...new Set(statuses)], [200]);
    }
    assert.equal((hits[0] ?? 0) + (hits[1] ?? 0), 160);
    assert.ok(Math.min(hits[0] ?? 0, hits[1] ?? 0) >= 40, `${hits}: one of them seems to have requests under way`);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});

describe("uploads in the smallest chunks", () => {
  it("cost about what they weigh while a service does not take them", { timeout: 60_000 }, async () => {
    // It never shakes hands, so not even the kernel takes anything for it.
    const stalled = await startRawUpstream((socket) => void socket.resume());
    const gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, protocol: https, endpoints: { static: [{ address: "${stalled.address}" }] }, timeouts: { connect: 60s } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    const clients: RawSocket[] = [];
    try {
      const worker = workerPid(gateway);
      const before = residentMiB(worker);
      const body = "1\r\na\r\n".repeat(300_000);
      for (let i = 0; i < 10; i++) {
        const raw = await connectRaw({ port: gateway.port("public") });
        raw.send(post("/", "Transfer-Encoding: chunked", body));
        clients.push(raw);
      }
      await eventually(() => clients.every((raw) => raw.socket.writableLength === 0), "everything to be sent", 30_000);
      // What a chunk costs shows only when the worker has gone through all it has read.
      let spentTicks = -1;
      await eventually(
        async () => {
          const before = spentTicks;
          spentTicks = cpuTicks(worker);
          await new Promise((resolve) => setTimeout(resolve, 250));
          return spentTicks === before && cpuTicks(worker) === before;
        },
        "the worker to rest",
        40_000,
      );
      const grown = residentMiB(worker) - before;
      assert.ok(grown < 60, `${Math.round(grown)} MiB more for 18 MB on the wire`);
    } finally {
      for (const raw of clients) raw.destroy();
      await gateway.stop();
      await stalled.close();
    }
  });
});
