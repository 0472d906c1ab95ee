import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { altNameFor, type CertificateContent, createKeyPair, type Issuer, issue, readChain, selfSign } from "../../../src/identity/x509.js";
import { needProgram } from "../../support/programs.js";

const DAY_MS = 86_400_000;
const directory = mkdtempSync(join(tmpdir(), "windrose-x509-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function content(changes: Partial<CertificateContent> & Pick<CertificateContent, "publicKey" | "usage">): CertificateContent {
  const now = Date.now();
  return { commonName: "Test", notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS), names: [], ...changes };
}

function createCa(): Issuer {
  const pair = createKeyPair();
  return {
    certificate: selfSign(content({ commonName: "Test CA", usage: "ca", publicKey: pair.publicKey }), pair.privateKey),
    privateKey: pair.privateKey,
  };
}

/** As openssl prints it. */
function printed(certificate: X509Certificate): string {
  return execFileSync("openssl", ["x509", "-noout", "-text"], { input: certificate.toString(), encoding: "utf8" });
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("x509", () => {
  const ca = createCa();
  const leafKeys = createKeyPair();

  it("signs leaves that node:crypto verifies against their CA and against no other", () => {
    const leaf = issue(content({ usage: "server", publicKey: leafKeys.publicKey }), ca);
    assert.equal(leaf.checkIssued(ca.certificate), true);
    assert.equal(leaf.verify(ca.certificate.publicKey), true);
    assert.equal(leaf.verify(createCa().certificate.publicKey), false);
    assert.equal(leaf.checkPrivateKey(leafKeys.privateKey), true);
    assert.equal(leaf.ca, false);
    assert.equal(ca.certificate.ca, true);
  });

  it("gives each certificate a positive random serial number of 16 bytes", () => {
    const serials = Array.from({ length: 64 }, () => issue(content({ usage: "server", publicKey: leafKeys.publicKey }), ca).serialNumber);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
    assert.equal(new Set(serials).size, serials.length);
  });

  it("carries every kind of name exactly", () => {
    const names = [
      { type: "dns", value: "localhost" },
      { type: "dns", value: "*.example.test" },
      { type: "ip", value: "127.0.0.1" },
      { type: "ip", value: "::1" },
      { type: "ip", value: "2001:db8::10:0:1" },
      { type: "uri", value: "spiffe://example.internal/service/orders" },
    ] as const;
    const leaf = issue(content({ usage: "server", publicKey: leafKeys.publicKey, names }), ca);
    const expected =
      "DNS:localhost, DNS:*.example.test, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:10:0:1, URI:spiffe://example.internal/service/orders";
    assert.equal(leaf.subjectAltName, expected);
    assert.equal(leaf.checkHost("a.example.test"), "*.example.test");
    assert.equal(leaf.checkIP("::1"), "::1");
    assert.equal(leaf.checkIP("127.0.0.2"), undefined);
  });

  it("refuses an address that is none", () => {
    const names = [{ type: "ip", value: "1.2.3.999" }] as const;
    assert.throws(() => issue(content({ usage: "server", publicKey: leafKeys.publicKey, names }), ca), /not an IP address/);
  });

  it("writes dates through 2049 as UTCTime and later ones as GeneralizedTime", () => {
    for (const [end, tag] of [
      ["2049-12-31T23:59:59Z", "170d3439313233313233353935395a"],
      ["2050-01-01T00:00:00Z", "180f32303530303130313030303030305a"],
    ] as const) {
      const leaf = issue(content({ usage: "server", publicKey: leafKeys.publicKey, notAfter: new Date(end) }), ca);
      assert.equal(new Date(leaf.validTo).getTime(), Date.parse(end));
      assert.ok(leaf.raw.toString("hex").includes(tag), `${end} as ${tag}`);
    }
  });

  it("keeps a common name that is not ASCII", () => {
    const leaf = issue(content({ usage: "server", commonName: "Zürich ✓", publicKey: leafKeys.publicKey }), ca);
    assert.equal(leaf.subject, "CN=Zürich ✓");
  });

  it("splits a chain file into its certificates", () => {
    const leaf = issue(content({ usage: "server", publicKey: leafKeys.publicKey }), ca);
    const chain = readChain(`# comment\n${leaf.toString()}\n${ca.certificate.toString()}`);
    assert.deepEqual(
      chain.map((certificate) => certificate.fingerprint256),
      [leaf.fingerprint256, ca.certificate.fingerprint256],
    );
    assert.deepEqual(readChain("no certificate"), []);
    assert.throws(() => readChain("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  });

  it("tells addresses from names", () => {
    assert.deepEqual(
      ["10.0.0.1", "::1", "localhost", "1.2.3"].map((host) => altNameFor(host).type),
      ["ip", "ip", "dns", "dns"],
    );
  });

  it("is accepted by openssl verify for its purpose, its names, and no other", (t) => {
    if (!needProgram(t, "openssl")) return;
    const names = [altNameFor("api.example.test"), altNameFor("192.0.2.1")];
    const leaf = write("leaf.pem", issue(content({ usage: "server", publicKey: leafKeys.publicKey, names }), ca).toString());
    const root = write("ca.pem", ca.certificate.toString());
    const verify = (...args: string[]): string =>
      execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", root, ...args, leaf], { encoding: "utf8", stdio: "pipe" });
    assert.match(verify("-purpose", "sslserver", "-verify_hostname", "api.example.test"), /: OK/);
    assert.match(verify("-verify_ip", "192.0.2.1"), /: OK/);
    assert.throws(() => verify("-purpose", "sslclient"));
    assert.throws(() => verify("-verify_hostname", "other.example.test"));
  });

  it("does not let a leaf sign another certificate", (t) => {
    if (!needProgram(t, "openssl")) return;
    const leaf = issue(content({ usage: "server", publicKey: leafKeys.publicKey }), ca);
    const below = createKeyPair();
    const forged = issue(content({ usage: "server", publicKey: below.publicKey }), { certificate: leaf, privateKey: leafKeys.privateKey });
    const root = write("ca.pem", ca.certificate.toString());
    const between = write("between.pem", leaf.toString());
    const last = write("forged.pem", forged.toString());
    assert.throws(
      () => execFileSync("openssl", ["verify", "-CAfile", root, "-untrusted", between, last], { stdio: "pipe" }),
      /invalid CA certificate|key usage|path length/i,
    );
  });

  it("has the extensions that RFC 5280 asks of a CA and of a leaf", (t) => {
    if (!needProgram(t, "openssl")) return;
    const names = [altNameFor("localhost")];
    const leaf = printed(issue(content({ usage: "peer", publicKey: leafKeys.publicKey, names }), ca));
    const root = printed(ca.certificate);
    assert.match(root, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    assert.match(root, /Key Usage: critical\s+Certificate Sign, CRL Sign/);
    assert.match(leaf, /Basic Constraints: critical\s+CA:FALSE/);
    assert.match(leaf, /Key Usage: critical\s+Digital Signature\n/);
    assert.match(leaf, /Extended Key Usage:\s+TLS Web Server Authentication, TLS Web Client Authentication/);
    assert.match(leaf, /Signature Algorithm: ecdsa-with-SHA256/);
    assert.match(leaf, /Version: 3/);
    const keyId = /Subject Key Identifier:\s+([0-9A-F:]+)/.exec(root)?.[1];
    assert.ok(keyId);
    assert.match(leaf, new RegExp(`Authority Key Identifier:\\s+(keyid:)?${keyId}`));
  });
});
