/** Much of everything: connections, garbage on both kinds of port, broken handshakes, header bombs, rate-limit keys. The worker stays up, small and in service. */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { connectRaw } from "../support/raw-socket.js";
import { startRawUpstream } from "../support/upstream.js";
import {
  echo,
  inParallel,
  metric,
  type RecordingUpstream,
  residentMiB,
  seeded,
  startRecordingUpstream,
  untilIdle,
} from "./attack-support.js";

describe("a flood", () => {
  let upstream: RecordingUpstream;
  let gateway: Gateway;
  let worker: number;
  let ca: string;
  before(async () => {
    upstream = await startRecordingUpstream(echo);
    const files = await developmentCertificates();
    ca = files["ca.pem"];
    gateway = await startGateway(
      `
listeners:
  - { name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }
  - { name: secure, direction: ingress, bind: "127.0.0.1:0", protocol: https, tls: ${EDGE_TLS} }
routes:
  - name: limited
    match: [{ path: { type: PathPrefix, value: /limited } }]
    filters: [{ rateLimit: { limit: 2, per: 1h, key: header.x-key } }]
    backends: [{ service: app }]
  - { name: all, backends: [{ service: app }] }
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files },
    );
    worker = workerPid(gateway);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  async function isServed(): Promise<void> {
    const { status } = await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/served`, { headers: { host: "api.test" } });
    const secure = await fetchOnce(`https://localhost:${gateway.port("secure")}/served`, { family: 4, ca });
    assert.deepEqual([status, secure.status], [200, 200]);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
    assert.deepEqual(upstream.faults, []);
    assert.equal(workerPid(gateway), worker, "the worker is still the first one");
  }

  it("of 2,000 connections, half of them in the middle of a head, is carried", { timeout: 60_000 }, async () => {
    const before = residentMiB(worker);
    const sockets: Socket[] = [];
    await inParallel(Array.from({ length: 2_000 }), 100, async (_item, index) => {
      const socket = connect({ port: gateway.port("public"), host: "127.0.0.1" }).on("error", () => {});
      sockets.push(socket);
      await new Promise((resolve) => socket.once("connect", resolve));
      if (index % 2 === 0) socket.write("GET /idle HTTP/1.1\r\nHost: api.test\r\nX-Slow: ");
    });
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) >= 2_000, "2,000 connections");
    await isServed();
    const grown = residentMiB(worker) - before;
    assert.ok(grown < 60, `${Math.round(grown)} MiB more`);
    for (const socket of sockets) socket.destroy();
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no connections");
  });

  it("of garbage, on the plain port and on the one for TLS, is not answered with anything but refusals", { timeout: 60_000 }, async () => {
    const random = seeded(11);
    const hello = await clientHello();
    await inParallel(Array.from({ length: 300 }), 30, async (_item, index) => {
      const port = gateway.port(index % 2 === 0 ? "public" : "secure");
      const raw = await connectRaw({ port });
      const bytes = randomFillSync(Buffer.alloc(1 + random(4_000)));
      // A good beginning gets further than noise: a real hello with flipped bytes, a request line before the noise.
      if (index % 4 === 1) hello.copy(bytes, 0, 0, Math.min(bytes.length, hello.length));
      if (index % 8 === 5) bytes[random(Math.min(bytes.length, hello.length))] = random(256);
      raw.send(index % 4 === 2 ? Buffer.concat([Buffer.from("GET / HTTP/1.1\r\nHost: api.test\r\n"), bytes]) : bytes);
      if (random(2) === 0) raw.socket.end();
      await raw.untilClosed(100).catch(() => "");
      assert.doesNotMatch(raw.text(), /^HTTP\/1\.1 (?:[23]|50[0-4])/);
      if (random(2) === 0) raw.socket.resetAndDestroy();
      else raw.destroy();
    });
    await isServed();
    await untilIdle(gateway);
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no connections");
  });

  it("of handshakes that break off anywhere is survived", async () => {
    const hello = await clientHello();
    await inParallel(Array.from({ length: 60 }), 20, async (_item, index) => {
      const raw = await connectRaw({ port: gateway.port("secure") });
      raw.send(hello.subarray(0, 1 + Math.floor((hello.length * index) / 59)));
      if (index % 3 === 0) await raw.until((text) => text.length > 0, 50).catch(() => "");
      if (index % 2 === 0) raw.socket.resetAndDestroy();
      else raw.destroy();
    });
    // The handshake is complete, and then it ends, with and without a request on its way.
    await inParallel(Array.from({ length: 40 }), 20, async (_item, index) => {
      const raw = await connectRaw({ port: gateway.port("secure"), tls: {} });
      if (index % 2 === 0) raw.send("GET /left HTTP/1.1\r\nHost: api.test\r\n\r\n");
      raw.destroy();
    });
    await isServed();
    await untilIdle(gateway);
  });

  it("of large heads is refused, without their being kept", async () => {
    const before = residentMiB(worker);
    const statuses = new Map<string, number>();
    await inParallel(Array.from({ length: 200 }), 20, async (_item, index) => {
      const raw = await connectRaw({ port: gateway.port("public") });
      const fields =
        index % 2 === 0 ? `X-Bomb: ${"b".repeat(100_000)}\r\n` : Array.from({ length: 150 }, (_, field) => `X-${field}: b\r\n`).join("");
      raw.send(`GET /bomb HTTP/1.1\r\nHost: api.test\r\n${fields}\r\n`);
      const text = await raw.untilClosed(15_000);
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? "none";
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      raw.destroy();
    });
    assert.deepEqual(
      [...statuses.keys()].filter((status) => status !== "431" && status !== "none"),
      [],
    );
    assert.equal(
      upstream.requests.some(({ target }) => target === "/bomb"),
      false,
    );
    assert.ok(residentMiB(worker) - before < 40);
    await isServed();
  });

  it("of 10,000 rate-limit keys neither grows the worker nor lets a spent key through at once", { timeout: 60_000 }, async () => {
    const before = residentMiB(worker);
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    const call = (key: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const headers = { host: "api.test", "x-key": key };
        request({ port: gateway.port("public"), path: "/limited", agent, headers }, (response) => {
          response.resume().on("end", () => resolve(response.statusCode ?? 0));
        })
          .on("error", reject)
          .end();
      });
    const counts = new Map<number, number>();
    await inParallel(Array.from({ length: 10_000 }), 32, async (_item, index) => {
      const status = await call(`key-${index}`);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    });
    assert.deepEqual([...counts], [[200, 10_000]]);
    const again = [await call("last"), await call("last"), await call("last")];
    agent.destroy();
    assert.deepEqual(again, [200, 200, 429]);
    const grown = residentMiB(worker) - before;
    assert.ok(grown < 60, `${Math.round(grown)} MiB more`);
    await isServed();
  });

  /** What a TLS client says first. */
  async function clientHello(): Promise<Buffer> {
    let say: (bytes: Buffer) => void = () => {};
    const said = new Promise<Buffer>((resolve) => {
      say = resolve;
    });
    const listener = await startRawUpstream((socket) => socket.once("data", (bytes) => say(bytes)));
    const client = connectTls({ port: listener.port, host: "127.0.0.1", servername: "api.test" }).on("error", () => {});
    const bytes = await said;
    client.destroy();
    await listener.close();
    return bytes;
  }
});
