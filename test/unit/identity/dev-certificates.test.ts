import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type DevelopmentCertificatesOptions, ensureDevelopmentCertificates } from "../../../src/identity/dev-certificates.js";
import { createKeyPair, readChain, selfSign } from "../../../src/identity/x509.js";

const DAY_MS = 86_400_000;
const START = new Date();
const ALL_FILES = ["ca-key.pem", "ca.pem", "dev-jwks.json", "dev-jwt-key.pem", "localhost-key.pem", "localhost.pem"];

describe("development certificates", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "windrose-dev-certs-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Names of the files written. */
  async function ensure(changes: Partial<DevelopmentCertificatesOptions> = {}): Promise<string[]> {
    const result = await ensureDevelopmentCertificates({ directory, hosts: [], isForced: false, now: START, ...changes });
    assert.ok(result.ok, result.ok ? "" : result.problem);
    const written = result.files.filter((file) => file.action === "written");
    return written.map((file) => file.path.slice(directory.length + 1)).sort();
  }

  function read(name: string): string {
    return readFileSync(join(directory, name), "utf8");
  }

  function leaf(): X509Certificate {
    return new X509Certificate(read("localhost.pem"));
  }

  function daysAfterStart(days: number): Date {
    return new Date(START.getTime() + days * DAY_MS);
  }

  it("makes six files, the keys readable by their owner only", async () => {
    assert.deepEqual(await ensure(), ALL_FILES);
    assert.deepEqual(readdirSync(directory).sort(), ALL_FILES);
    for (const name of ALL_FILES) assert.equal(statSync(join(directory, name)).mode & 0o777, name.includes("key") ? 0o600 : 0o644, name);
  });

  it("makes the directory when it is missing", async () => {
    const nested = join(directory, "a", "b");
    await ensure({ directory: nested });
    assert.deepEqual(readdirSync(nested).sort(), ALL_FILES);
  });

  it("serves localhost by every name and address of it, with the CA in the chain", async () => {
    await ensure({ hosts: ["api.example.test", "192.0.2.7"] });
    const certificate = leaf();
    assert.equal(certificate.checkHost("localhost"), "localhost");
    assert.match(certificate.subjectAltName ?? "", /DNS:\*\.localhost,/);
    assert.equal(certificate.checkHost("api.example.test"), "api.example.test");
    for (const address of ["127.0.0.1", "::1", "192.0.2.7"]) assert.equal(certificate.checkIP(address), address);
    const [, ca] = readChain(read("localhost.pem"));
    assert.equal(ca?.fingerprint256, new X509Certificate(read("ca.pem")).fingerprint256);
  });

  it("limits the leaf to 825 days", async () => {
    await ensure();
    assert.ok(Date.parse(leaf().validTo) - START.getTime() < 825 * DAY_MS);
  });

  it("writes nothing the second time", async () => {
    await ensure();
    assert.deepEqual(await ensure(), []);
  });

  it("keeps names of earlier runs and does not repeat addresses when it adds one", async () => {
    await ensure({ hosts: ["one.example.test"] });
    assert.deepEqual(await ensure(), []);
    assert.deepEqual(await ensure({ hosts: ["two.example.test"] }), ["localhost-key.pem", "localhost.pem"]);
    const names = (leaf().subjectAltName ?? "").split(", ");
    assert.ok(names.includes("DNS:one.example.test") && names.includes("DNS:two.example.test"));
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.filter((name) => name.startsWith("IP Address:")).length, 2);
  });

  it("renews the leaf a week before it expires, and not earlier", async () => {
    await ensure();
    const validDays = (Date.parse(leaf().validTo) - START.getTime()) / DAY_MS;
    assert.deepEqual(await ensure({ now: daysAfterStart(validDays - 8) }), []);
    assert.deepEqual(await ensure({ now: daysAfterStart(validDays - 6) }), ["localhost-key.pem", "localhost.pem"]);
  });

  it("never lets the leaf outlive its CA", async () => {
    await ensure();
    const caEnd = Date.parse(new X509Certificate(read("ca.pem")).validTo);
    const late = new Date(caEnd - 100 * DAY_MS);
    await ensure({ now: late });
    assert.equal(Date.parse(leaf().validTo), caEnd);
  });

  it("renews CA and leaf when the CA is about to expire, and keeps the token key", async () => {
    await ensure();
    assert.deepEqual(await ensure({ now: daysAfterStart(3645) }), ["ca-key.pem", "ca.pem", "localhost-key.pem", "localhost.pem"]);
    assert.equal(leaf().verify(new X509Certificate(read("ca.pem")).publicKey), true);
  });

  const damage: [name: string, damaged: (file: (name: string) => string) => void, written: string[]][] = [
    ["a missing CA key", (file) => rmSync(file("ca-key.pem")), ["ca-key.pem", "ca.pem", "localhost-key.pem", "localhost.pem"]],
    ["a missing leaf", (file) => rmSync(file("localhost.pem")), ["localhost-key.pem", "localhost.pem"]],
    ["a leaf key cut short", (file) => writeFileSync(file("localhost-key.pem"), "-----BEGIN PRI"), ["localhost-key.pem", "localhost.pem"]],
    ["an unreadable certificate", (file) => writeFileSync(file("localhost.pem"), "garbage"), ["localhost-key.pem", "localhost.pem"]],
    [
      "a key of another certificate",
      (file) => writeFileSync(file("localhost-key.pem"), readFileSync(file("ca-key.pem"))),
      ["localhost-key.pem", "localhost.pem"],
    ],
    ["a missing key set", (file) => rmSync(file("dev-jwks.json")), ["dev-jwks.json"]],
    ["a key set of another key", (file) => writeFileSync(file("dev-jwks.json"), '{"keys":[]}'), ["dev-jwks.json"]],
    ["a broken token key", (file) => writeFileSync(file("dev-jwt-key.pem"), "x"), ["dev-jwks.json", "dev-jwt-key.pem"]],
  ];
  for (const [name, damaged, written] of damage) {
    it(`repairs ${name}`, async () => {
      await ensure();
      damaged((file) => join(directory, file));
      assert.deepEqual(await ensure(), written);
      assert.deepEqual(await ensure(), []);
    });
  }

  it("takes rights away from a key that others can read", async () => {
    await ensure();
    chmodSync(join(directory, "ca-key.pem"), 0o644);
    assert.deepEqual(await ensure(), []);
    assert.equal(statSync(join(directory, "ca-key.pem")).mode & 0o777, 0o600);
  });

  it("replaces somebody else's certificate only when forced", async () => {
    const pair = createKeyPair();
    const validity = { notBefore: START, notAfter: daysAfterStart(365) };
    const foreign = selfSign(
      { ...validity, commonName: "Corporate Root", publicKey: pair.publicKey, usage: "ca", names: [] },
      pair.privateKey,
    );
    writeFileSync(join(directory, "ca.pem"), foreign.toString());
    const refused = await ensureDevelopmentCertificates({ directory, hosts: [], isForced: false, now: START });
    assert.ok(!refused.ok);
    assert.match(refused.problem, /ca\.pem was issued by "Corporate Root"/);
    assert.deepEqual(readdirSync(directory), ["ca.pem"]);
    assert.deepEqual(await ensure({ isForced: true }), ALL_FILES);
  });

  it("makes everything anew when forced", async () => {
    await ensure({ hosts: ["one.example.test"] });
    const before = ALL_FILES.map(read);
    assert.deepEqual(await ensure({ isForced: true }), ALL_FILES);
    ALL_FILES.forEach((name, index) => assert.notEqual(read(name), before[index], name));
    assert.equal(leaf().checkHost("one.example.test"), undefined);
  });

  it("publishes only the public half of the token key", async () => {
    await ensure();
    const { keys } = JSON.parse(read("dev-jwks.json"));
    assert.equal(keys.length, 1);
    assert.deepEqual(Object.keys(keys[0]).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert.equal(keys[0].alg, "ES256");
  });
});
