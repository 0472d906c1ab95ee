// A gateway that may open few files, and more clients than it can hold. The addon spins when accept() finds no descriptor.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { connectRaw, hasResponses } from "../support/raw-socket.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";
import { makeCertificate } from "../unit/config/fixtures.js";
import { metric } from "./attack-support.js";

const MAX_OPEN_FILES = 256;
/** Half of it is kept back, a quarter of the rest is for services. */
const MAX_DOWNSTREAM = 96;
const CLIENTS = 400;
/** What a spinning worker uses is all of a core. */
const MAX_IDLE_CPU_SHARE = 0.5;
const CPU_WINDOW_MS = 1_000;
const CLOCK_TICKS_PER_SECOND = 100;

/** A client that keeps its connection for as long as it may. */
class Client {
  readonly socket: Socket;
  received = "";
  isClosed = false;

  constructor(port: number, request = "") {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    if (request !== "") this.socket.write(request);
  }
}

async function flood(port: number): Promise<{ readonly all: Client[]; readonly admitted: Client[] }> {
  const all = Array.from({ length: CLIENTS }, () => new Client(port));
  await eventually(() => all.filter((client) => client.isClosed).length >= CLIENTS - MAX_DOWNSTREAM, "the others to be closed");
  return { all, admitted: all.filter((client) => !client.isClosed) };
}

function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

async function cpuShareOf(pid: number): Promise<number> {
  const [startedAt, before] = [performance.now(), cpuSecondsOf(pid)];
  await new Promise((resolve) => setTimeout(resolve, CPU_WINDOW_MS));
  return ((cpuSecondsOf(pid) - before) * 1000) / (performance.now() - startedAt);
}

describe("a gateway with few open files", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  let worker: number;

  before(async () => {
    const { cert, key } = makeCertificate(["localhost"]);
    upstream = await startHttpUpstream((_request, response) => response.end("ok"));
    gateway = await startGateway(
      `
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http }
  - { name: secure, bind: "127.0.0.1:0", protocol: https, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
telemetry: { accessLog: { path: off } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { maxOpenFiles: MAX_OPEN_FILES, files: { "cert.pem": cert, "key.pem": key } },
    );
    worker = workerPid(gateway);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const refused = (): Promise<number> => metric(gateway, "windrose_downstream_refused_connections_total", 'windrose_reason="open-files"');
  const open = (): Promise<number> => metric(gateway, "windrose_downstream_connections");
  const leave = async (clients: readonly Client[]): Promise<void> => {
    for (const { socket } of clients) socket.destroy();
    await eventually(async () => (await open()) === 0, "everybody to be gone");
  };

  it("says at the start that it cannot hold what is promised", () => {
    assert.match(gateway.stderr(), /promises 10000 per worker, but at most 256 open files leave room for 96: .*ulimit -n/);
  });

  it("closes whom it cannot hold at once, and serves the others", async () => {
    const { all, admitted } = await flood(gateway.port("plain"));
    assert.equal(admitted.length, MAX_DOWNSTREAM);
    assert.equal(await refused(), CLIENTS - MAX_DOWNSTREAM);
    for (const round of [1, 2]) {
      for (const { socket } of admitted) socket.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
      await eventually(() => admitted.every(({ received }) => hasResponses(received, round)), "every answer");
    }
    for (const { received } of admitted) assert.doesNotMatch(received, /^HTTP\/1\.1 [^2]/m);
    const share = await cpuShareOf(worker);
    assert.ok(share < MAX_IDLE_CPU_SHARE, `${share} of a core`);
    await leave(all);
  });

  it("counts TLS connections from the first packet on", async () => {
    const before = await refused();
    const { all, admitted } = await flood(gateway.port("secure"));
    assert.equal(admitted.length, MAX_DOWNSTREAM, "none of which has begun its handshake");
    assert.equal((await refused()) - before, CLIENTS - MAX_DOWNSTREAM);
    const share = await cpuShareOf(worker);
    assert.ok(share < MAX_IDLE_CPU_SHARE, `${share} of a core`);
    await leave(all);
  });

  it("recovers when they have left, in the same process", async () => {
    assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).text, "ok");
    const secure = await connectRaw({ port: gateway.port("secure"), tls: {} });
    secure.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await secure.until((text) => hasResponses(text, 1));
    secure.destroy();
    assert.equal(workerPid(gateway), worker);
    assert.doesNotMatch(gateway.stderr(), /EMFILE|too many open files/i);
  });
});

describe("a gateway whose listener ages connections, with few open files", {
  skip: process.platform === "linux" ? false : "reads /proc",
}, () => {
  it("serves whom it lets in of a burst that fills the accept queue", async () => {
    const upstream = await startHttpUpstream((_request, response) => response.end("ok"));
    const gateway = await startGateway(
      `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http, timeouts: { connectionAge: 1m } }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
telemetry: { accessLog: { path: off } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { maxOpenFiles: 1024 },
    );
    const worker = workerPid(gateway);
    const clients: Client[] = [];
    try {
      process.kill(worker, "SIGSTOP");
      let connected = 0;
      for (let i = 0; i < 500; i++) {
        const client = new Client(gateway.port("plain"), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.socket.once("connect", () => connected++);
        clients.push(client);
      }
      await eventually(() => connected === clients.length, "a full accept queue");
      process.kill(worker, "SIGCONT");
      await eventually(() => clients.every(({ isClosed, received }) => isClosed || hasResponses(received, 1)), "a decision about each");
      const served = clients.filter(({ received }) => hasResponses(received, 1));
      assert.equal(served.length, 384, "three quarters of half");
      for (const { received } of served) assert.match(received, /^HTTP\/1\.1 200 /);
    } finally {
      process.kill(worker, "SIGCONT");
      for (const { socket } of clients) socket.destroy();
      await gateway.stop();
      await upstream.close();
    }
  });
});
