/** TLS of `h2` listeners: policy, certificates by SNI, live swaps, client certificates, handshakes that do not end. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { selfSigned } from "../support/certificates.js";
import { within } from "../support/gateway.js";
import { connectRaw, exchangeRaw, hasResponses } from "../support/raw-socket.js";
import { issueCertificate } from "./client-certificates.js";
import { startWireHarness, type WireHarness, wireSpec } from "./wire-harness.js";

const run = promisify(execFile);
const GET = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

const first = selfSigned("a.test", "*.wild.test");
const second = selfSigned("b.test");
const NAMES = [["a.test", "*.wild.test"], ["b.test"]];

let harness: WireHarness;
let directory: string;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), "windrose-tls-"));
  harness = await startWireHarness({ tls: { names: NAMES, pems: [first, second] } });
});
after(() => {
  harness.listener.close();
  rmSync(directory, { recursive: true });
});

function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options }, () => resolve(socket));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
  });
}

async function subjectFor(port: number, servername: string | undefined): Promise<string | undefined> {
  const socket = await handshake(port, servername === undefined ? {} : { servername });
  const names = socket.getPeerCertificate().subjectaltname;
  socket.destroy();
  return names;
}

test("certificates are chosen by SNI in any case, wildcards for one label, the first for the rest", async () => {
  const [a, b] = ["DNS:a.test, DNS:*.wild.test", "DNS:b.test"];
  const expected: [string | undefined, string][] = [
    ["a.test", a],
    ["b.test", b],
    ["B.TEST", b],
    ["x.wild.test", a],
    ["unknown.test", a],
    [undefined, a],
  ];
  for (const [name, subject] of expected) assert.equal(await subjectFor(harness.port, name), subject, name);
});

test("ALPN gives HTTP/2 or HTTP/1.1, no ALPN HTTP/1.1, and nothing else is taken", async () => {
  assert.equal((await handshake(harness.port, { ALPNProtocols: ["h2", "http/1.1"] })).alpnProtocol, "h2");
  assert.equal((await handshake(harness.port, { ALPNProtocols: ["http/1.1"] })).alpnProtocol, "http/1.1");
  assert.match(await exchangeRaw({ port: harness.port, tls: {} }, GET), /^HTTP\/1\.1 200 /);
  await assert.rejects(handshake(harness.port, { ALPNProtocols: ["smtp"] }));
});

test("TLS 1.2 and 1.3 with AEAD suites are spoken, older versions and CBC are not, whoever asks", async () => {
  for (const options of [{ minVersion: "TLSv1.3" }, { maxVersion: "TLSv1.2" }] as ConnectionOptions[]) {
    for (const servername of ["a.test", "b.test"]) (await handshake(harness.port, { ...options, servername })).destroy();
  }
  const cbc = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA" } as ConnectionOptions;
  for (const servername of ["a.test", "b.test"]) await assert.rejects(handshake(harness.port, { ...cbc, servername }));
  const old = ["s_client", "-connect", `127.0.0.1:${harness.port}`, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
  await assert.rejects(run("openssl", old, { timeout: 5_000 }));
});

test("a client cannot renegotiate", async () => {
  const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${harness.port}`, "-tls1_2"], { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  const note = (chunk: Buffer) => {
    output += chunk.toString();
    if (/Verify return code/.test(output) && child.stdin.writable) child.stdin.end("R\n");
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  await within(10_000, new Promise((resolve) => child.once("exit", resolve)), () => output);
  assert.match(output, /RENEGOTIATING[\s\S]*no renegotiation/);
});

test("where only TLS 1.3 is allowed, 1.2 is refused", async () => {
  const strict = await startWireHarness({ tls: { names: NAMES, pems: [first, second], minVersion: "TLSv1.3" } });
  (await handshake(strict.port, {})).destroy();
  for (const servername of ["a.test", "b.test"]) await assert.rejects(handshake(strict.port, { maxVersion: "TLSv1.2", servername }));
  strict.listener.close();
});

test("a request for a host with another certificate than the connection's is misdirected", async () => {
  const ask = (servername: string, host: string) =>
    exchangeRaw({ port: harness.port, tls: { servername } }, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.match(await ask("a.test", "b.test"), /^HTTP\/1\.1 421 /);
  assert.match(await ask("b.test", "a.test:8443"), /^HTTP\/1\.1 421 /);
  assert.match(await ask("a.test", "A.test.:8443"), /^HTTP\/1\.1 200 /);
  assert.match(await ask("a.test", "y.wild.test"), /^HTTP\/1\.1 200 /);
  assert.match(await ask("b.test", "b.test"), /^HTTP\/1\.1 200 /);
});

test("certificates are swapped while connections live on, and a bad one changes nothing", async () => {
  const renewed = await startWireHarness({ tls: { names: [["a.test"]], pems: [first] } });
  const old = await connectRaw({ port: renewed.port, tls: {} });
  old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await old.until((text) => hasResponses(text, 1));
  renewed.listener.reload(wireSpec({ tls: { names: [["c.test"]], pems: [selfSigned("c.test")] } }));
  assert.equal(await subjectFor(renewed.port, "c.test"), "DNS:c.test");
  old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await old.until((text) => hasResponses(text, 2));
  assert.throws(() => renewed.listener.reload(wireSpec({ tls: { names: [["d.test"]], pems: [{ cert: "no", key: "no" }] } })));
  assert.equal(await subjectFor(renewed.port, "d.test"), "DNS:c.test");
  old.destroy();
  renewed.listener.close();
});

test("bodies pass both ways over TLS, and a slow reader gets all of it", async () => {
  const size = 3 * 1024 * 1024;
  const piece = Buffer.alloc(65_536, "x");
  harness.onRequest = (one) => {
    let left = size;
    one.onDrained = () => {
      while (left > 0) {
        left -= piece.length;
        if (!one.downstream.write(piece)) break;
      }
      if (left === 0) one.downstream.end();
    };
    one.onChunk = (_chunk, isLast) => {
      if (!isLast) return;
      one.downstream.writeHead(200, [], size);
      one.onDrained();
    };
  };
  const raw = await connectRaw({ port: harness.port, tls: { servername: "a.test" } });
  const body = Buffer.alloc(size, "y");
  raw.send(`POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${size}\r\n\r\n`);
  raw.send(body);
  await raw.until((text) => text.length > 1000, 20_000);
  raw.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  raw.socket.resume();
  await raw.until((text) => hasResponses(text, 1), 20_000);
  assert.equal(harness.seen.at(-1)?.bodyBytes, size);
  raw.destroy();
  assert.deepEqual(harness.bugs, []);
});

// ── Client certificates ──────────────────────────────────────────────────────────────────────────────────────────

const authority = issueCertificate({ subject: "CN=partners", isAuthority: true });
const stranger = issueCertificate({ subject: "CN=strangers", isAuthority: true });
const client = issueCertificate({
  subject: "/C=DE/O=Example/CN=client",
  names: ["DNS:Client.Test", "URI:spiffe://example.internal/service/web"],
  issuer: authority,
});
const expired = issueCertificate({ subject: "CN=late", issuer: authority, isExpired: true });
const foreign = issueCertificate({ subject: "CN=foreign", issuer: stranger });

function withAuth(isRequired: boolean): Promise<WireHarness> {
  return startWireHarness({ tls: { names: NAMES, pems: [first, second], clientAuth: { isRequired, caPem: authority.cert } } });
}

async function ask(port: number, options: ConnectionOptions): Promise<string> {
  return exchangeRaw({ port, tls: options }, GET).catch((error: Error) => `failed: ${error.message}`);
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a required client certificate is verified and known to the exchange (${version})`, async () => {
    const strict = await withAuth(true);
    const tls = { minVersion: version, maxVersion: version };
    assert.match(await ask(strict.port, { ...tls, ...client }), /^HTTP\/1\.1 200 /);
    assert.deepEqual(
      { ...strict.seen[0]?.head.peer, fingerprint: "" },
      {
        subject: "C=DE,O=Example,CN=client",
        dnsNames: ["client.test"],
        uris: ["spiffe://example.internal/service/web"],
        spiffeId: "spiffe://example.internal/service/web",
        fingerprint: "",
      },
    );
    for (const [what, options] of Object.entries({ none: {}, foreign, expired })) {
      assert.doesNotMatch(await ask(strict.port, { ...tls, ...options }), /^HTTP/, what);
      assert.doesNotMatch(await ask(strict.port, { ...tls, ...options, servername: "b.test" }), /^HTTP/, what);
    }
    assert.equal(strict.seen.length, 1);
    await strict.until(() => strict.listener.connections === 0, "connections to end");
    strict.listener.close();
  });

  test(`an optional client certificate may be missing, but not be wrong (${version})`, async () => {
    const lenient = await withAuth(false);
    const tls = { minVersion: version, maxVersion: version };
    assert.match(await ask(lenient.port, tls), /^HTTP\/1\.1 200 /);
    assert.equal(lenient.seen[0]?.head.peer, null);
    assert.match(await ask(lenient.port, { ...tls, ...client }), /^HTTP\/1\.1 200 /);
    assert.equal(lenient.seen[1]?.head.peer?.subject, "C=DE,O=Example,CN=client");
    for (const [what, options] of Object.entries({ foreign, expired })) {
      assert.doesNotMatch(await ask(lenient.port, { ...tls, ...options }), /^HTTP/, what);
    }
    lenient.listener.close();
  });

  test(`a resumed session still knows its client, and none of other roots is resumed (${version})`, async () => {
    const strict = await withAuth(true);
    const tls = { minVersion: version, maxVersion: version, host: "127.0.0.1", rejectUnauthorized: false };
    const session = await new Promise<Buffer>((resolve, reject) => {
      const socket = connectTls({ ...tls, port: strict.port, ...client });
      socket.on("secureConnect", () => socket.write(GET));
      socket.on("session", (ticket) => resolve(ticket));
      socket.on("error", reject);
    });
    const resumed = await connectRaw({ port: strict.port, tls: { ...tls, ...client, session } });
    assert.equal((resumed.socket as TLSSocket).isSessionReused(), true);
    resumed.send(GET);
    assert.match(await resumed.untilClosed(), /^HTTP\/1\.1 200 /);
    assert.equal(strict.seen.at(-1)?.head.peer?.spiffeId, "spiffe://example.internal/service/web");
    strict.listener.reload(
      wireSpec({ tls: { names: NAMES, pems: [first, second], clientAuth: { isRequired: true, caPem: stranger.cert } } }),
    );
    assert.doesNotMatch(await ask(strict.port, { ...tls, ...client, session }), /^HTTP/);
    strict.listener.close();
  });
}

// ── Handshakes that do not end ───────────────────────────────────────────────────────────────────────────────────

test("a handshake that does not come to an end is cut, and garbage harms nobody", async () => {
  const hasty = await startWireHarness({ tls: { names: NAMES, pems: [first, second], handshakeMs: 300 } });
  const silent = await connectRaw({ port: hasty.port });
  await silent.untilClosed();
  const garbage = await connectRaw({ port: hasty.port });
  garbage.send(GET);
  await garbage.untilClosed();
  await hasty.until(() => hasty.listener.connections === 0, "connections to end");
  assert.deepEqual(hasty.refusals, ["handshake", "handshake"]);
  (await handshake(hasty.port)).destroy();
  hasty.listener.close();
});

test("beyond the cap the oldest handshake is closed, not the newest", async () => {
  const capped = await startWireHarness({ tls: { names: NAMES, pems: [first, second], maxHandshakes: 3 } });
  const idle = await Promise.all(Array.from({ length: 3 }, () => connectRaw({ port: capped.port })));
  await capped.until(() => capped.listener.connections === 3, "three handshakes");
  assert.match(await exchangeRaw({ port: capped.port, tls: {} }, GET), /^HTTP\/1\.1 200 /);
  await capped.until(() => idle.filter((raw) => raw.closedBy() !== null).length === 1, "one to be closed");
  assert.deepEqual(capped.refusals, ["too-many-handshakes"]);
  capped.listener.close();
});
