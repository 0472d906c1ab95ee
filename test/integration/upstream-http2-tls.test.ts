import assert from "node:assert/strict";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import type { UpstreamTarget } from "../../src/engine/model/endpoint.js";
import { selfSigned } from "../support/certificates.js";
import { Notes, requestOf, startConnector, targetOf, until } from "../unit/upstream/support.js";

let credentials: { readonly cert: string; readonly key: string };
let bench: ReturnType<typeof startConnector>;
let stop: (() => Promise<void>) | null = null;

before(() => {
  credentials = selfSigned("service.test");
});
beforeEach(() => {
  bench = startConnector();
});
afterEach(async () => {
  bench.close();
  await stop?.();
  stop = null;
});
after(() => bench.close());

interface Service {
  readonly port: number;
  /** ALPN of each TLS connection, in order. */
  readonly chosen: string[];
}

/** Answers with the version of HTTP of the request. */
async function serve(versions: "h2" | "http/1.1" | "both"): Promise<Service> {
  const chosen: string[] = [];
  const sockets = new Set<TLSSocket>();
  const server =
    versions === "http/1.1"
      ? createServer(credentials)
      : createSecureServer({ ...credentials, allowHTTP1: versions === "both" } satisfies Parameters<typeof createSecureServer>[0]);
  (server as Http2SecureServer).on("request", (request, response) => response.end(request.httpVersion));
  server.on("secureConnection", (socket: TLSSocket) => {
    chosen.push(String(socket.alpnProtocol));
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port: (server.address() as AddressInfo).port, chosen };
}

function target(port: number, version: UpstreamTarget["version"], change: Partial<UpstreamTarget> = {}): UpstreamTarget {
  const tls = { serverName: "service.test", caPem: credentials.cert, isVerified: true };
  return targetOf(port, { key: `${version}|${port}|tls`, version, tls, ...change });
}

async function bodyOf(notes: Notes): Promise<string> {
  assert.equal(await notes.over, "end", notes.detail);
  return notes.body;
}

describe("over TLS", () => {
  test("h2 alone is offered and spoken", async () => {
    const { port, chosen } = await serve("both");
    const notes = new Notes().start(bench.connector, target(port, "http2"));
    assert.equal(await bodyOf(notes), "2.0");
    assert.deepEqual(chosen, ["h2"]);
  });

  test("h2 from a service that only has HTTP/1.1 is upstream-tls-failed", async () => {
    const { port } = await serve("http/1.1");
    const notes = new Notes().start(bench.connector, target(port, "http2"));
    assert.equal(await notes.over, "upstream-tls-failed", notes.detail);
  });

  test("HTTP/1.1 alone is offered and spoken", async () => {
    const { port, chosen } = await serve("both");
    const notes = new Notes().start(bench.connector, target(port, "http1"));
    assert.equal(await bodyOf(notes), "1.1");
    assert.deepEqual(chosen, ["http/1.1"]);
  });

  test("a service that has both is spoken to over HTTP/2", async () => {
    const { port, chosen } = await serve("both");
    const all = Array.from({ length: 10 }, () => new Notes().start(bench.connector, target(port, "negotiated")));
    for (const notes of all) assert.equal(await bodyOf(notes), "2.0");
    assert.deepEqual(chosen, ["h2"]);
  });

  test("a service that has HTTP/1.1 alone goes on with it on the connection that asked", async () => {
    const { port, chosen } = await serve("http/1.1");
    for (let i = 0; i < 3; i++) {
      const notes = new Notes().start(bench.connector, target(port, "negotiated"));
      assert.equal(await bodyOf(notes), "1.1");
      await until(() => bench.connector.stats().idleConnections === 1, "the connection to be free");
    }
    assert.equal(chosen.length, 1);
    assert.deepEqual([bench.connector.stats().openedConnections, bench.connector.stats().connections], [1, 1]);
  });

  test("of many requests that waited for the choice, each is answered over HTTP/1.1", async () => {
    const { port, chosen } = await serve("http/1.1");
    const bodies = ["", "a", "bc"];
    const all = bodies.map((body) => {
      const notes = new Notes();
      notes.onConnected = () =>
        setImmediate(() => {
          notes.call?.write(Buffer.from(body));
          notes.call?.end();
        });
      return notes.start(bench.connector, target(port, "negotiated"), requestOf({ method: "POST", bodyLength: body.length }));
    });
    const given = new Notes().start(bench.connector, target(port, "negotiated"));
    given.call?.abort();
    for (const notes of all) assert.equal(await bodyOf(notes), "1.1");
    assert.equal(chosen.length, 3);
    assert.deepEqual(given.events, ["started"]);
  });

  test("a service is asked again when its HTTP/1.1 connections are gone", async () => {
    const { port } = await serve("http/1.1");
    for (let i = 0; i < 2; i++) {
      const notes = new Notes().start(bench.connector, target(port, "negotiated", { keepAliveMs: i * 5000 }));
      assert.equal(await bodyOf(notes), "1.1");
      if (i === 0) await until(() => bench.connector.stats().pools === 0, "the pool to be gone");
    }
    assert.equal(bench.connector.stats().openedConnections, 2);
  });

  test("an unknown authority fails both offers, for all that wait", async () => {
    const { port } = await serve("both");
    for (const version of ["http2", "negotiated"] as const) {
      const tls = { serverName: "other.test", caPem: credentials.cert, isVerified: true };
      const all = Array.from({ length: 3 }, () => new Notes().start(bench.connector, target(port, version, { tls })));
      for (const notes of all) assert.equal(await notes.over, "upstream-tls-failed", notes.detail);
    }
    assert.equal(bench.connector.stats().connections, 0);
  });

  test("a CA bundle that cannot be read is upstream-tls-failed, in a later turn", async () => {
    const { port } = await serve("both");
    const tls = { serverName: "", caPem: "nonsense", isVerified: true };
    const notes = new Notes().start(bench.connector, target(port, "http2", { tls }));
    assert.deepEqual(notes.events, ["started"]);
    assert.equal(await notes.over, "upstream-tls-failed", notes.detail);
    assert.equal(bench.connector.stats().pools, 0);
  });
});
