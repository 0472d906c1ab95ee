import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { createServer } from "node:tls";
import type { UpstreamTarget } from "../../src/engine/model/endpoint.js";
import type { Issuer } from "../../src/identity/x509.js";
import { altNameFor, createKeyPair, issue, selfSign } from "../../src/identity/x509.js";
import type { RawServer } from "../unit/upstream/support.js";
import { answering, HELLO, listening, Notes, onRequests, requestOf, startConnector, targetOf, until } from "../unit/upstream/support.js";

interface Leaf {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
let ca: Issuer & { readonly pem: string };
let otherCaPem = "";
let named: Leaf;
let addressed: Leaf;
let expired: Leaf;
let bench: ReturnType<typeof startConnector>;
let server: RawServer | null = null;

function period(fromDays: number, toDays: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() + fromDays * DAY_MS), notAfter: new Date(Date.now() + toDays * DAY_MS) };
}

function createCa(commonName: string): Issuer & { readonly pem: string } {
  const { publicKey, privateKey } = createKeyPair();
  const certificate = selfSign({ commonName, publicKey, usage: "ca", names: [], ...period(-1, 10) }, privateKey);
  return { certificate, privateKey, pem: certificate.toString() };
}

function leaf(host: string, validity = period(-1, 10)): Leaf {
  const { publicKey, privateKey } = createKeyPair();
  const content = { commonName: host, publicKey, usage: "server" as const, names: [altNameFor(host)], ...validity };
  return { cert: issue(content, ca).toString(), key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

before(() => {
  ca = createCa("Test CA");
  otherCaPem = createCa("Other CA").pem;
  named = leaf("service.test");
  addressed = leaf("127.0.0.1");
  expired = leaf("service.test", period(-2, -1));
});
beforeEach(() => {
  bench = startConnector();
});
afterEach(async () => {
  bench.close();
  await server?.close();
  server = null;
});
after(() => bench.close());

async function serve(options: TlsOptions, onSocket: (socket: TLSSocket, index: number) => void): Promise<RawServer> {
  const sockets: Socket[] = [];
  const tlsServer = createServer(options, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    onSocket(socket, sockets.length - 1);
  });
  tlsServer.on("tlsClientError", () => undefined);
  server = await listening(tlsServer, sockets);
  return server;
}

function tlsTarget(
  port: number,
  change: Partial<NonNullable<UpstreamTarget["tls"]>> = {},
  limits: Partial<UpstreamTarget> = {},
): UpstreamTarget {
  return targetOf(port, { tls: { serverName: "service.test", caPem: ca.pem, isVerified: true, ...change }, ...limits });
}

describe("TLS to a service", () => {
  test("with the right certificate carries exchanges, announces the name and offers http/1.1 only", async () => {
    let connection: TLSSocket | null = null;
    const { port } = await serve({ ...named, ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
      connection = socket;
      answering(HELLO)(socket);
    });
    for (let i = 0; i < 3; i++) {
      const notes = new Notes().start(bench.connector, tlsTarget(port));
      assert.equal(await notes.over, "end", notes.detail);
      assert.equal(notes.body, "hello");
      await until(() => bench.connector.stats().idleConnections === 1, "the connection to be free");
    }
    const { servername, alpnProtocol } = connection as unknown as TLSSocket & { servername: string };
    assert.deepEqual([servername, alpnProtocol], ["service.test", "http/1.1"]);
    assert.equal(bench.connector.stats().openedConnections, 1);
  });

  const refused: [string, () => Leaf, Partial<NonNullable<UpstreamTarget["tls"]>>][] = [
    ["signed by another CA", () => named, { caPem: "other" }],
    ["that only our own roots could vouch for", () => named, { caPem: "" }],
    ["for another name", () => named, { serverName: "other.test" }],
    ["for the address, when a name is expected", () => addressed, {}],
    ["for a name, when the address is expected", () => named, { serverName: "" }],
    ["that has expired", () => expired, {}],
  ];
  for (const [what, certificate, tls] of refused) {
    test(`refuses a certificate ${what}, before a byte of the request has left`, async () => {
      let received = 0;
      const { port } = await serve(certificate(), (socket) => socket.on("data", (bytes) => (received += bytes.length)));
      const change = tls.caPem === "other" ? { caPem: otherCaPem } : tls;
      const notes = new Notes().start(bench.connector, tlsTarget(port, change));
      assert.equal(await notes.over, "upstream-tls-failed", notes.detail);
      assert.notEqual(notes.detail, "");
      assert.ok(!notes.events.includes("connected"));
      assert.equal(received, 0);
      assert.equal(bench.connector.stats().connections, 0);
    });
  }

  test("accepts a certificate for the address when no name is set", async () => {
    const { port } = await serve(addressed, answering(HELLO));
    assert.equal(await new Notes().start(bench.connector, tlsTarget(port, { serverName: "" })).over, "end");
  });

  test("accepts anything when told not to verify", async () => {
    const { port } = await serve(expired, answering(HELLO));
    const notes = new Notes().start(bench.connector, tlsTarget(port, { caPem: otherCaPem, serverName: "other.test", isVerified: false }));
    assert.equal(await notes.over, "end", notes.detail);
  });

  test("fails with a service that speaks TLS 1.1 at most, or none at all", async () => {
    const { port } = await serve({ ...named, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }, answering(HELLO));
    assert.equal(await new Notes().start(bench.connector, tlsTarget(port)).over, "upstream-tls-failed");
  });

  test("fails when the service hangs up during the handshake", async () => {
    const { port } = await serve({ ...named, SNICallback: (_name, done) => done(new Error("no")) }, answering(HELLO));
    assert.equal(await new Notes().start(bench.connector, tlsTarget(port)).over, "upstream-tls-failed");
  });

  test("fails when the service wants a client certificate, which TLS 1.3 says only after the handshake", async () => {
    const { port } = await serve({ ...named, requestCert: true, ca: ca.pem, minVersion: "TLSv1.3" }, answering(HELLO));
    const outcome = await new Notes().start(bench.connector, tlsTarget(port)).over;
    assert.ok(outcome === "upstream-tls-failed" || outcome === "upstream-reset" || outcome === "upstream-closed", outcome);
  });

  test("fails with a CA bundle that cannot be read, without throwing", async () => {
    const { port } = await serve(named, answering(HELLO));
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const outcome = await new Notes().start(bench.connector, tlsTarget(port, { caPem: broken })).over;
    assert.equal(outcome, "upstream-tls-failed");
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`resumes its session on the next connection (${version})`, async () => {
      const reused: boolean[] = [];
      const { port } = await serve({ ...named, minVersion: version, maxVersion: version }, (socket) => {
        reused.push(socket.isSessionReused());
        answering(HELLO)(socket);
      });
      await new Notes().start(bench.connector, tlsTarget(port)).over;
      await new Notes().start(bench.connector, tlsTarget(port), requestOf({ isFresh: true })).over;
      assert.deepEqual(reused, [false, true]);
    });
  }

  test("never lets a second record that came with the first reach another exchange", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 00000\r\n\r\n";
    // One TLS record holds 16 KiB: the forged response lies decrypted behind the first one, but comes in a callback of its own.
    const size = 16_384 - head.length;
    const full = head.replace("00000", String(size)) + "x".repeat(size);
    const forged = HELLO.replaceAll("hello", "evil!");
    const { port } = await serve(named, (socket, number) => onRequests(socket, () => socket.write(number === 0 ? full + forged : HELLO)));
    const target = tlsTarget(port, {}, { maxConnections: 1 });
    const first = new Notes().start(bench.connector, target);
    const second = new Notes().start(bench.connector, target);
    assert.ok(["end", "upstream-protocol"].includes(await first.over));
    assert.equal(await second.over, "end");
    assert.equal(second.body, "hello");
    assert.equal(bench.connector.stats().openedConnections, 2);
  });

  test("holds back what was decrypted already while paused, and loses none of it", async () => {
    const size = 3_000_000;
    const { port } = await serve(named, (socket) =>
      onRequests(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.write(Buffer.alloc(size, "y"));
      }),
    );
    const notes = new Notes();
    let isPaused = false;
    notes.onBody = (chunk) => {
      assert.ok(!isPaused, "delivered while paused");
      notes.bodyBytes += chunk.length;
      notes.call?.pause();
      isPaused = true;
      setTimeout(() => {
        isPaused = false;
        notes.call?.resume();
      }, 0);
    };
    notes.start(bench.connector, tlsTarget(port));
    assert.equal(await notes.over, "end");
    assert.equal(notes.bodyBytes, size);
  });

  test("ends a response without a length with the connection, paused or not", async () => {
    const body = "z".repeat(50_000);
    const { port } = await serve(named, (socket) => onRequests(socket, () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${body}`)));
    for (const isSlow of [false, true]) {
      const notes = new Notes();
      const { onBody } = notes;
      notes.onBody = (chunk) => {
        onBody.call(notes, chunk);
        if (!isSlow) return;
        notes.call?.pause();
        setTimeout(() => notes.call?.resume(), 1);
      };
      notes.start(bench.connector, tlsTarget(port));
      assert.equal(await notes.over, "end", notes.detail);
      assert.equal(notes.body, body);
    }
    await until(() => bench.connector.stats().connections === 0, "the connections to be gone");
  });
});
