/** Connections that the upstream client opens ahead of requests: over each version of HTTP, within limits, and without anybody's harm. */
import assert from "node:assert/strict";
import { createServer as createPlainHttp2, createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { UpstreamTarget } from "../../src/engine/model/endpoint.js";
import { selfSigned } from "../support/certificates.js";
import { findFreePort } from "../support/upstream.js";
import {
  answering,
  HELLO,
  http2TargetOf,
  Notes,
  requestOf,
  startConnector,
  startRawServer,
  targetOf,
  until,
} from "../unit/upstream/support.js";

let credentials: { readonly cert: string; readonly key: string };
let bench: ReturnType<typeof startConnector>;
const closing: (() => unknown)[] = [];

before(() => {
  credentials = selfSigned("service.test");
});
beforeEach(() => {
  bench = startConnector();
});
afterEach(async () => {
  bench.close();
  for (const close of closing.splice(0)) await close();
});
after(() => bench.close());

interface Counted {
  readonly port: number;
  connections(): number;
}

async function listen(server: Server | Http2SecureServer, event: "connection" | "secureConnection"): Promise<Counted> {
  const sockets: Socket[] = [];
  server.on(event, (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { port: (server.address() as AddressInfo).port, connections: () => sockets.length };
}

async function startPlain(): Promise<Counted> {
  const { port, sockets, close } = await startRawServer(answering(HELLO));
  closing.push(close);
  return { port, connections: () => sockets.length };
}

const overTls = (port: number, version: UpstreamTarget["version"]): UpstreamTarget =>
  targetOf(port, {
    key: `${version}|${port}|tls`,
    version,
    tls: { serverName: "service.test", caPem: credentials.cert, isVerified: true },
  });

/** Warms, and resolves with what was told of each connection. */
async function warm(target: UpstreamTarget, count: number): Promise<boolean[]> {
  const told: boolean[] = [];
  const begun = bench.connector.warm(target, count, (isOpen) => told.push(isOpen));
  assert.deepEqual(told, [], "told in a later turn");
  await until(() => told.length === begun, "all are told of");
  return told;
}

const SERVICES: Readonly<Record<string, () => Promise<{ readonly service: Counted; readonly target: UpstreamTarget }>>> = {
  "HTTP/1.1": async () => {
    const service = await startPlain();
    return { service, target: targetOf(service.port) };
  },
  "HTTP/1.1 over TLS": async () => {
    const service = await listen(
      createHttps(credentials, (_request, response) => response.end("x")),
      "secureConnection",
    );
    return { service, target: overTls(service.port, "http1") };
  },
  "HTTP/2": async () => {
    const service = await listen(
      createPlainHttp2((_request, response) => response.end("x")),
      "connection",
    );
    return { service, target: http2TargetOf(service.port) };
  },
  "HTTP/2 over TLS": async () => {
    const service = await listen(
      createSecureServer(credentials, (_request, response) => response.end("x")),
      "secureConnection",
    );
    return { service, target: overTls(service.port, "http2") };
  },
  "either, and the service chooses HTTP/2": async () => {
    const service = await listen(
      createSecureServer({ ...credentials, allowHTTP1: true }, (_request, response) => response.end("x")),
      "secureConnection",
    );
    return { service, target: overTls(service.port, "negotiated") };
  },
  "either, and the service chooses HTTP/1.1": async () => {
    const service = await listen(
      createHttps(credentials, (_request, response) => response.end("x")),
      "secureConnection",
    );
    return { service, target: overTls(service.port, "negotiated") };
  },
};

describe("connections opened ahead", () => {
  for (const [name, start] of Object.entries(SERVICES)) {
    test(`are used by the first requests: ${name}`, async () => {
      const { service, target } = await start();
      assert.deepEqual(await warm(target, 2), [true, true]);
      await until(() => service.connections() === 2, "two connections");
      assert.equal(bench.connector.stats().idleConnections, 2);
      for (let i = 0; i < 3; i++) assert.equal(await new Notes().start(bench.connector, target).over, "end");
      assert.equal(service.connections(), 2);
      assert.deepEqual(await warm(target, 2), [], "there are enough");
      assert.deepEqual(await warm(target, 3), [true]);
    });
  }

  test("keep to the limits of connections and of open files", async () => {
    const { port } = await startPlain();
    assert.deepEqual(await warm(targetOf(port, { maxConnections: 1 }), 5), [true]);
    let open = 0;
    const budget = {
      openedDownstream: () => true,
      closedDownstream: () => {},
      get hasUpstreamRoom() {
        return open < 2;
      },
      openedUpstream: () => void open++,
      closedUpstream: () => void open--,
    };
    bench.close();
    bench = startConnector(budget);
    for (const target of [targetOf(port), http2TargetOf(port)]) assert.ok((await warm(target, 5)).length <= 2);
    assert.equal(open, 2);
    bench.close();
    assert.equal(open, 0);
    assert.equal(
      bench.connector.warm(targetOf(port), 1, () => assert.fail("told after the end")),
      0,
    );
  });

  test("that fail are told of, and leave nothing behind", async () => {
    const port = await findFreePort();
    for (const target of [targetOf(port), http2TargetOf(port), overTls(port, "negotiated")]) {
      assert.deepEqual(await warm(target, 2), [false, false]);
    }
    for (const target of [targetOf(70_000), http2TargetOf(70_000)]) assert.deepEqual(await warm(target, 2), [false], "not even begun");
    const { pools, connections } = bench.connector.stats();
    assert.deepEqual([pools, connections], [0, 0]);
  });

  test("are nobody's failure: a request that waits for one has its own try", async () => {
    const port = await findFreePort();
    const target = targetOf(port, { maxConnections: 1 });
    const told: boolean[] = [];
    bench.connector.warm(target, 1, (isOpen) => told.push(isOpen));
    const notes = new Notes().start(bench.connector, target);
    assert.equal(await notes.over, "connect-failed");
    assert.deepEqual(told, [false]);
  });

  test("serve a request that came while they were being opened and found no other place", async () => {
    const service = await startPlain();
    const target = targetOf(service.port, { maxConnections: 1 });
    bench.connector.warm(target, 1, () => undefined);
    assert.equal(await new Notes().start(bench.connector, target).over, "end");
    assert.equal(service.connections(), 1);
  });

  test("that the service has closed meanwhile are stale, which a request survives", async () => {
    const { port, sockets, close } = await startRawServer((socket, index) => {
      if (index > 0) answering(HELLO)(socket);
    });
    closing.push(close);
    const target = targetOf(port);
    assert.deepEqual(await warm(target, 1), [true]);
    sockets[0]?.once("data", () => sockets[0]?.destroy());
    const notes = new Notes().start(bench.connector, target);
    assert.equal(await notes.over, "upstream-stale");
    assert.equal(await new Notes().start(bench.connector, target, requestOf({ isFresh: true })).over, "end");
  });

  test("end when they were idle for too long", async () => {
    const service = await startPlain();
    assert.deepEqual(await warm(targetOf(service.port, { keepAliveMs: 50 }), 2), [true, true]);
    await until(() => bench.connector.stats().connections === 0, "both are closed");
  });
});
