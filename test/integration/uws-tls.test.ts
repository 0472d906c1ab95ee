import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import type { CertificateSpec } from "../../src/engine/model/snapshot.js";
import { connectRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { type Harness, reply, startHarness } from "./uws-harness.js";

const GET = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

let directory: string;
let harness: Harness;
let certificates: CertificateSpec[];

function makeCertificate(label: string, names: readonly string[]): CertificateSpec {
  const [certPath, keyPath] = [join(directory, `${label}.pem`), join(directory, `${label}-key.pem`)];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", `/CN=${label}`];
  const san = ["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
  execFileSync("openssl", [...request, ...san, "-keyout", keyPath, "-out", certPath], { stdio: "ignore" });
  return { certPath, keyPath, names, notAfterMs: Date.now() + 86_400_000, fingerprint: "" };
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "uws-tls-"));
  certificates = [
    makeCertificate("first", ["first.test", "x.wild.test"]),
    makeCertificate("exact", ["exact.test", "first.test"]),
    makeCertificate("wild", ["*.wild.test"]),
  ];
  harness = await startHarness({ tls: { certificates } });
});
after(() => {
  harness.listener.close();
  rmSync(directory, { recursive: true });
});

for (const [name, expected] of [
  ["exact.test", "exact"],
  ["first.test", "first"],
  ["a.wild.test", "wild"],
  ["x.wild.test", "first"],
  ["a.b.wild.test", "first"],
  ["wild.test", "first"],
  ["unknown.test", "first"],
  // The addon matches names by case; browsers and most clients send lower case.
  ["EXACT.test", "first"],
  ["", "first"],
] as const) {
  test(`the name ${JSON.stringify(name)} gets the certificate "${expected}" and is served`, async () => {
    const raw = await connectRaw({ port: harness.port, tls: { servername: name } });
    assert.equal((raw.socket as TLSSocket).getPeerCertificate().subject.CN, expected);
    raw.send(GET);
    await raw.until((text) => hasResponses(text, 1));
    assert.equal(harness.seen.at(-1)?.head.scheme, "https");
    raw.destroy();
  });
}

test("TLS 1.2 and 1.3 with AEAD suites are spoken", async () => {
  for (const [version, ciphers] of [
    ["TLSv1.3", undefined],
    ["TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    ["TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"],
  ] as const) {
    const raw = await connectRaw({
      port: harness.port,
      tls: { servername: "exact.test", minVersion: version, maxVersion: version, ...(ciphers === undefined ? {} : { ciphers }) },
    });
    assert.equal((raw.socket as TLSSocket).getProtocol(), version);
    raw.destroy();
  }
});

test("TLS 1.1 and CBC suites are refused under every name", async () => {
  for (const servername of ["exact.test", "unknown.test"]) {
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await assert.rejects(connectRaw({ port: harness.port, tls: { servername, ...old } }));
    for (const ciphers of ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-SHA", "AES128-GCM-SHA256"]) {
      await assert.rejects(connectRaw({ port: harness.port, tls: { servername, maxVersion: "TLSv1.2", ciphers } }), ciphers);
    }
  }
});

test("bodies pass both ways over TLS, and a slow reader gets all of it", async () => {
  const bytes = Buffer.alloc(4 * 1024 * 1024);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  for (const bodyLength of [bytes.length, -1]) {
    harness.onRequest = (one) => {
      one.onChunk = (_chunk, isLast) => {
        if (!isLast) return;
        const body = Buffer.concat(one.chunks);
        let at = 0;
        const go = () => {
          while (at < body.length) {
            const piece = body.subarray(at, at + 65_536);
            at += piece.length;
            if (!one.downstream.write(piece)) return;
          }
          one.downstream.end();
        };
        one.onDrained = go;
        one.downstream.writeHead(200, [], bodyLength);
        go();
      };
    };
    const raw = await connectRaw({ port: harness.port, tls: { servername: "exact.test" } });
    raw.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    raw.send(bytes);
    const text = await raw.until((received) => received.length > bytes.length && hasResponses(received, 1), 20_000);
    assert.ok(Buffer.from(parseResponses(text)[0]!.body, "latin1").equals(bytes));
    harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "still"));
    raw.send(GET);
    await raw.until((received) => received.endsWith("still"));
    raw.destroy();
  }
});

test("a refused upload can read its 413 over TLS", async () => {
  const small = await startHarness({ tls: { certificates }, limits: { maxBodyBytes: 10 } });
  const raw = await connectRaw({ port: small.port, tls: { servername: "exact.test" } });
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.status, 413);
  raw.send("hello world");
  await raw.untilClosed();
  small.listener.close();
});

test("a handshake with garbage, and a plain request, harm nobody", async () => {
  for (const bytes of [GET, "\x16\x03\x01\x00\x05hello", "\0".repeat(600)]) {
    const raw = await connectRaw({ port: harness.port });
    raw.send(bytes);
    const text = await raw.untilClosed(15_000);
    assert.ok(!text.startsWith("HTTP/"));
  }
  const raw = await connectRaw({ port: harness.port, tls: { servername: "exact.test" } });
  raw.send(GET);
  await raw.until((text) => hasResponses(text, 1));
  raw.destroy();
});

test("unusable certificates are named before anything listens", async () => {
  const [first, exact] = certificates as [CertificateSpec, CertificateSpec];
  const start = (bad: CertificateSpec) => startHarness({ tls: { certificates: [first, bad] } });
  await assert.rejects(start({ ...exact, keyPath: first.keyPath }), /the key .*first-key\.pem does not belong to .*exact\.pem/);
  await assert.rejects(start({ ...exact, certPath: join(directory, "absent.pem") }), /cannot use .*absent\.pem/);
  writeFileSync(join(directory, "garbage.pem"), "not a certificate");
  await assert.rejects(start({ ...exact, certPath: join(directory, "garbage.pem") }), /cannot use .*garbage\.pem/);
});
