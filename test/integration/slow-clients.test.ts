/**
 * More clients that upload or read slowly than a service may have connections: everybody else is served as if they were not
 * there. Over all pairs of listeners and services, with a gateway whose other defences against slow clients are off.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway, within } from "../support/gateway.js";
import { connectRaw, type RawSocket } from "../support/raw-socket.js";
import { metric, untilIdle } from "./attack-support.js";

const PLACES = 8;
const ATTACKERS = 40;
const BIG = Buffer.alloc(16 * 1024 * 1024, "0123456789abcdef");
/** Generous: the machine may be busy. Without the remedy a request waits five seconds for its 503. */
const AT_ONCE_MS = 1_500;
const LARGE_UPLOAD = "u".repeat(1024 * 1024);

interface Service {
  readonly port: number;
  /** Requests whose heads have come, by path. */
  seen(path: string): number;
  close(): Promise<void>;
}

type Answer = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => void;

async function startService(version: string): Promise<Service> {
  const seen = new Map<string, number>();
  const answer: Answer = (request, response) => {
    const path = request.url ?? "";
    seen.set(path, (seen.get(path) ?? 0) + 1);
    request.on("error", () => {}).resume();
    response.on("error", () => {});
    if (path === "/big") return void response.end(BIG);
    request.on("end", () => response.end("small"));
  };
  // Node's server would refuse streams while so much waits in its memory.
  const server = version === "h2c" ? createHttp2Server({ maxSessionMemory: 1_000 }, answer) : createServer({ requestTimeout: 0 }, answer);
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket: { destroy(): void }) => sockets.add(socket));
  server.on("session", (session: { on(event: string, listener: () => void): void }) => session.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: (server.address() as AddressInfo).port, seen: (path) => seen.get(path) ?? 0, close };
}

/** Eight connections, or as many streams. */
const CIRCUITS: Readonly<Record<string, string>> = {
  http1: `protocol: http1, circuit: { maxConnections: ${PLACES} }`,
  h2c: `protocol: h2c, circuit: { maxConnections: 2 }, http2: { maxConcurrentStreams: ${PLACES / 2} }`,
};

const configuration = (service: Service, version: string): string => `
listeners:
  - { name: http, bind: "127.0.0.1:0", protocol: http, limits: { minBodyBytesPerSecond: 0 } }
  - { name: h2c, bind: "127.0.0.1:0", protocol: h2c, limits: { minBodyBytesPerSecond: 0 } }
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, ${CIRCUITS[version]}, endpoints: { static: [{ address: "127.0.0.1:${service.port}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`;

const UPLOAD = "POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n";
const DOWNLOAD = "GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n";

/** `size` clients over HTTP/1.1, or as many streams over a few connections. Ends them when called. */
async function attack(listener: string, port: number, kind: "uploads" | "readers", size = ATTACKERS): Promise<() => void> {
  if (listener === "h2c") return attackOverHttp2(port, kind, size);
  const sockets = await Promise.all(Array.from({ length: size }, () => connectRaw({ port })));
  for (const raw of sockets) {
    if (kind === "readers") raw.socket.pause();
    raw.send(kind === "uploads" ? UPLOAD : DOWNLOAD);
  }
  const trickle = setInterval(() => kind === "uploads" && sockets.forEach((raw) => void (raw.closedBy() ?? raw.send("x"))), 200);
  return () => {
    clearInterval(trickle);
    for (const raw of sockets) raw.destroy();
  };
}

function attackOverHttp2(port: number, kind: "uploads" | "readers", size: number): () => void {
  const sessions = Array.from({ length: 4 }, () => connectHttp2(`http://127.0.0.1:${port}`));
  const streams = Array.from({ length: size }, (_, i) => {
    const session = sessions[i % sessions.length];
    assert.ok(session !== undefined);
    const head = kind === "uploads" ? { ":method": "POST", ":path": "/slow" } : { ":path": "/big" };
    const stream = session.request(head, { endStream: kind === "readers" });
    return stream.on("error", () => {});
  });
  const trickle = setInterval(() => kind === "uploads" && streams.forEach((stream) => stream.writable && stream.write("x")), 200);
  return () => {
    clearInterval(trickle);
    for (const session of sessions) session.on("error", () => {}).destroy();
  };
}

describe("a service with few places", { concurrency: true }, () => {
  for (const version of ["http1", "h2c"]) {
    describe(`a service over ${version} with ${PLACES} places`, { concurrency: 1 }, () => {
      let service: Service;
      let gateway: Gateway;

      before(async () => {
        service = await startService(version);
        gateway = await startGateway(configuration(service, version));
      });
      after(async () => {
        await gateway?.stop();
        await service?.close();
      });

      const ask = async (listener: string, body = ""): Promise<number> => {
        const url = `http://127.0.0.1:${gateway.port(listener)}/small`;
        const startedAt = performance.now();
        const { status } = await fetchOnce(url, body === "" ? {} : { method: "POST", body });
        assert.equal(status, 200);
        return performance.now() - startedAt;
      };

      /** What has waited when the attack began may still be on its turn. */
      const untilServed = (listener: string) =>
      eventually(() => ask(listener).then((ms) => ms < AT_ONCE_MS, () => false), "healthy clients to be served", 20_000); // biome-ignore format: one thought

      for (const listener of ["http", "h2c"]) {
        for (const kind of ["uploads", "readers"] as const) {
          it(`serves others at once while ${ATTACKERS} slow ${kind} come over ${listener}`, { timeout: 60_000 }, async () => {
            const stop = await attack(listener, gateway.port(listener), kind);
            try {
              await eventually(async () => (await metric(gateway, "http_server_active_requests")) >= ATTACKERS, "the attack to be up");
              await untilServed(listener);
              for (let i = 0; i < 30; i++) {
                const all = Promise.all([ask("http"), ask("h2c"), ask(listener, "a small body")]);
                const slowest = Math.max(...(await all));
                assert.ok(slowest < AT_ONCE_MS, `${Math.round(slowest)} ms in round ${i}`);
              }
              const largeMs = await ask(listener, LARGE_UPLOAD);
              assert.ok(largeMs < 2 * AT_ONCE_MS + 2_000, `${Math.round(largeMs)} ms for a large upload`);
            } finally {
              stop();
            }
            await untilIdle(gateway);
          });
        }
      }
    });
  }
});

describe("slow clients of a service", () => {
  let service: Service;
  let gateway: Gateway;
  const raws: RawSocket[] = [];

  before(async () => {
    service = await startService("http1");
    gateway = await startGateway(configuration(service, "http1"));
  });
  after(async () => {
    for (const raw of raws) raw.destroy();
    await gateway?.stop();
    await service?.close();
  });

  const open = async (count: number, hello: string): Promise<RawSocket[]> => {
    const opened = await Promise.all(Array.from({ length: count }, () => connectRaw({ port: gateway.port("http") })));
    for (const raw of opened) {
      raw.socket.pause();
      raw.send(hello);
    }
    raws.push(...opened);
    return opened;
  };
  const small = (body = "") => fetchOnce(`http://127.0.0.1:${gateway.port("http")}/small`, body === "" ? {} : { method: "POST", body });
  const cutLines = () => logLines(gateway.stdout()).filter(({ error }) => error === "slow-client");

  it("keep their places as long as nobody else wants one, all of them", { timeout: 60_000 }, async () => {
    const readers = await open(PLACES, DOWNLOAD);
    await eventually(() => service.seen("/big") === PLACES, "all of them at the service");
    // Longer than a slow reader is safe from others.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    for (const raw of readers) raw.socket.resume();
    for (const raw of readers) {
      await raw.until((text) => text.length > BIG.length, 30_000);
      assert.ok(raw.text().endsWith(BIG.subarray(-64).toString()));
      raw.destroy();
    }
    assert.equal(cutLines().length, 0);
  });

  it("that do not read lose their answers, visibly broken, when others wait; the share stays", { timeout: 60_000 }, async () => {
    const readers = await open(PLACES, DOWNLOAD);
    await eventually(() => service.seen("/big") === 2 * PLACES, "all of them at the service");
    const answers = await within(5_000, Promise.all([small(), small(), small("abc")]), () => "others were not served");
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]); // biome-ignore format: one line
    // They learn it when they read on.
    assert.equal(readers.filter((raw) => raw.closedBy() !== null).length, 0);
    for (const raw of readers) raw.socket.resume();
    await eventually(() => readers.every((raw) => raw.closedBy() !== null || raw.receivedBytes() > BIG.length), "all to be over", 30_000);
    const broken = readers.filter((raw) => raw.receivedBytes() < BIG.length);
    assert.equal(broken.length, PLACES / 4, "only those beyond the share");
    const lines = await eventually(() => (cutLines().length === broken.length ? cutLines() : null), "the log lines");
    assert.deepEqual([lines[0]?.flag, lines[0]?.status], ["DT", 200]);
    assert.match(String(lines[0]?.error_detail ?? lines[0]?.detail ?? JSON.stringify(lines[0])), /took nothing for \d+ ms/);
  });

  it("that close their side of an HTTP/2 connection within an upload give its place back", { timeout: 60_000 }, async () => {
    for (let i = 0; i < 3; i++) {
      const session = connectHttp2(`http://127.0.0.1:${gateway.port("h2c")}`).on("error", () => {});
      const seenBefore = service.seen("/left");
      for (let j = 0; j < PLACES / 2; j++)
        session
          .request({ ":method": "POST", ":path": "/left" })
          .on("error", () => {})
          .write("abc");
      await eventually(() => service.seen("/left") === seenBefore + PLACES / 2, "the uploads at the service");
      session.destroy();
      await untilIdle(gateway);
    }
  });

  it("that upload too slowly get 408 when a faster upload has no place", { timeout: 60_000 }, async () => {
    const uploads = await open(PLACES, UPLOAD);
    for (const raw of uploads) raw.socket.resume();
    await eventually(() => service.seen("/slow") === (PLACES * 3) / 4, "their share at the service");
    assert.equal((await small("abc")).status, 200);
    assert.equal((await small(LARGE_UPLOAD)).status, 200);
    await eventually(() => uploads.some((raw) => raw.text().startsWith("HTTP/1.1 408 ")), "a 408");
    assert.equal(uploads.filter((raw) => raw.text() !== "").length, 1, "no more than needed");
  });
});
