/** Listeners, certificates, binds and the admin API. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig, parseConfig } from "../../../src/config/index.js";
import { accept, httpsDocument, makeCertificate, makeKey, problemsOf, refuse, temporaryDirectory } from "./fixtures.js";

function listener(rest: string): string {
  return `listeners: [{ name: a, ${rest} }]`;
}

test("https needs tls, and http has no place for it", () => {
  assert.match(refuse(listener('bind: "127.0.0.1:1", protocol: https'))[0] ?? "", /protocol https needs tls \(add tls:/);
  const problems = refuse(listener('bind: "127.0.0.1:1", protocol: http, tls: { certificates: [{ cert: a, key: b }] }'));
  assert.ok(
    problems.some((problem) => /tls has no place on an http listener/.test(problem)),
    problems.join("\n"),
  );
});

test("a certificate is served for the DNS names in it, lower-cased, until it ends", (context) => {
  const notAfter = new Date("2055-01-02T03:04:05Z");
  const { cert, key } = makeCertificate(["API.example.com", "*.example.com"], { notAfter });
  const directory = temporaryDirectory(context, { "w.yaml": httpsDocument(), "0.pem": cert, "0-key.pem": key });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.deepEqual(result.snapshot.listeners[0]?.tls?.certificates, [
    {
      certPath: join(directory, "0.pem"),
      keyPath: join(directory, "0-key.pem"),
      names: ["api.example.com", "*.example.com"],
      notAfterMs: notAfter.getTime(),
      fingerprint: new X509Certificate(cert).fingerprint256,
    },
  ]);
  assert.deepEqual(result.warnings, []);
});

const PAIRS: readonly (readonly [string, { cert?: string; key?: string }, RegExp])[] = [
  ["a missing certificate", {}, /certificates\[0\]\.cert cannot read "0\.pem": no such file/],
  ["no PEM at all", { cert: "nonsense", key: "nonsense" }, /"0\.pem" is not a PEM certificate/],
  [
    "a damaged certificate",
    { cert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key: "x" },
    /is not a PEM certificate/,
  ],
  [
    "an encrypted key",
    { key: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n" },
    /"0-key\.pem" is encrypted/,
  ],
  ["a damaged key", { key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }, /is not a usable private key/],
];

for (const [what, files, expected] of PAIRS) {
  test(`${what} is a problem at its place`, (context) => {
    const good = makeCertificate(["a.example"]);
    const all = what === "a missing certificate" ? {} : { "0.pem": files.cert ?? good.cert, "0-key.pem": files.key ?? good.key };
    const directory = temporaryDirectory(context, { "w.yaml": httpsDocument(), ...all });
    const problems = problemsOf(loadConfig(join(directory, "w.yaml"), { env: {} })).map(formatProblem);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      problems.join("\n"),
    );
    for (const problem of problems) assert.match(problem, /:7:\d+ /);
  });
}

test("swapped and foreign keys are told apart", (context) => {
  const { cert, key } = makeCertificate(["a.example"]);
  const directory = temporaryDirectory(context, {
    "w.yaml": httpsDocument(2),
    "0.pem": key,
    "0-key.pem": cert,
    "1.pem": cert,
    "1-key.pem": makeKey(),
  });
  const problems = problemsOf(loadConfig(join(directory, "w.yaml"), { env: {} })).map(formatProblem);
  assert.equal(problems.length, 2);
  assert.match(problems[0] ?? "", /"0\.pem" is not a PEM certificate \(it is a private key: are cert and key swapped\?\)/);
  assert.match(problems[1] ?? "", /"1-key\.pem" does not belong to the certificate/);
});

test("an expired certificate, and one not yet valid, are warnings", (context) => {
  const day = 86_400_000;
  const old = makeCertificate(["old.example"], { notBefore: new Date(Date.now() - 9 * day), notAfter: new Date(Date.now() - day) });
  const early = makeCertificate(["new.example"], { notBefore: new Date(Date.now() + day) });
  const directory = temporaryDirectory(context, {
    "w.yaml": httpsDocument(2),
    "0.pem": old.cert,
    "0-key.pem": old.key,
    "1.pem": early.cert,
    "1-key.pem": early.key,
  });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  const warnings = result.warnings.map(formatProblem);
  assert.match(warnings[0] ?? "", /certificates\[0\]\.cert warning: the certificate expired on \d{4}-\d\d-\d\d/);
  assert.match(warnings[1] ?? "", /certificates\[1\]\.cert warning: the certificate is not valid before/);
});

test("a name in two certificates of a listener is a warning", (context) => {
  const { cert, key } = makeCertificate(["a.example"]);
  const directory = temporaryDirectory(context, {
    "w.yaml": httpsDocument(2),
    "0.pem": cert,
    "0-key.pem": key,
    "1.pem": cert,
    "1-key.pem": key,
  });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.match(result.warnings.map(formatProblem)[0] ?? "", /certificates\[1\] warning: a\.example is in an earlier certificate too/);
});

test("a certificate without names is a warning unless it is the first", (context) => {
  const { cert, key } = makeCertificate([]);
  const directory = temporaryDirectory(context, {
    "w.yaml": httpsDocument(2),
    "0.pem": cert,
    "0-key.pem": key,
    "1.pem": cert,
    "1-key.pem": key,
  });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.equal(result.warnings.length, 1);
  assert.match(result.warnings.map(formatProblem)[0] ?? "", /certificates\[1\] warning: has no DNS names/);
});

const HOSTNAMES: readonly (readonly [string, boolean])[] = [
  ["example.com", true],
  ["*.example.com", true],
  ["localhost", true],
  ["EXAMPLE.com", true],
  ["xn--bcher-kva.example", true],
  ["my_host", true],
  ["127.0.0.1", true],
  ["[::1]", true],
  ["*", false],
  ["*.*.com", false],
  ["a.*.com", false],
  ["*example.com", false],
  ["example.com:80", false],
  ["https://example.com", false],
  ["example.com/", false],
  ["example.com.", false],
  ["-a.com", false],
  ["a..com", false],
  ["", false],
  ["*.", false],
  ["bücher.example", false],
  ["a b", false],
  ["999.1.1.1", false],
  ["::1", false],
  [`${"a".repeat(64)}.com`, false],
  [`${"a.".repeat(130)}com`, false],
];

for (const [hostname, isValid] of HOSTNAMES) {
  test(`hostname ${JSON.stringify(hostname.slice(0, 40))} is ${isValid ? "accepted" : "refused"}`, () => {
    const text = listener(`bind: "127.0.0.1:1", protocol: http, hostnames: [${JSON.stringify(hostname)}]`);
    assert.equal(parseConfig(text, "t.yaml", { env: {} }).ok, isValid);
  });
}

test("hostnames are compared in lower case, so two spellings are one written twice", () => {
  const text = listener('bind: "127.0.0.1:1", protocol: http, hostnames: [A.example, a.example]');
  assert.match(refuse(text)[0] ?? "", /hostnames\[1\] "a\.example" is written twice/);
  const [first] = accept(listener('bind: "127.0.0.1:1", protocol: http, hostnames: [A.example]')).snapshot.listeners;
  assert.deepEqual(first?.hostnames, ["a.example"]);
});

const CIDRS: readonly (readonly [string, boolean])[] = [
  ["10.0.0.0/8", true],
  ["10.1.2.3", true],
  ["2001:db8::/32", true],
  ["::1", true],
  ["0.0.0.0/0", true],
  ["10.0.0.0/33", false],
  ["2001:db8::/129", false],
  ["10.0.0/8", false],
  ["host/8", false],
  ["10.0.0.0/", false],
  ["10.0.0.0/-1", false],
  ["fe80::1%eth0", false],
  ["", false],
];

for (const [cidr, isValid] of CIDRS) {
  test(`address range ${JSON.stringify(cidr)} is ${isValid ? "accepted" : "refused"}`, () => {
    const text = listener(`bind: "127.0.0.1:1", protocol: http, trustedProxies: [${JSON.stringify(cidr)}]`);
    assert.equal(parseConfig(text, "t.yaml", { env: {} }).ok, isValid);
  });
}

const BINDS: readonly (readonly [string, { host: string; port: number } | null])[] = [
  ["0.0.0.0:8443", { host: "0.0.0.0", port: 8443 }],
  ["[::]:80", { host: "::", port: 80 }],
  ["localhost:0", { host: "localhost", port: 0 }],
  ["::1:80", null],
  ["[1.2.3.4]:80", null],
  ["1.2.3.4", null],
  ["1.2.3.4:", null],
  [":80", null],
  ["1.2.3:80", null],
  ["a b:80", null],
];

for (const [bind, expected] of BINDS) {
  test(`bind ${JSON.stringify(bind)} is ${expected === null ? "refused" : "understood"}`, () => {
    const result = parseConfig(listener(`bind: ${JSON.stringify(bind)}, protocol: http`), "t.yaml", { env: {} });
    assert.deepEqual(result.ok ? result.snapshot.listeners[0]?.bind : null, expected);
  });
}

test("the slowest upload that is put up with is a number of bytes, with or without a unit", () => {
  const rateOf = (written: string) => {
    const text = listener(`bind: "127.0.0.1:1", protocol: http, limits: { minBodyBytesPerSecond: ${written} }`);
    return accept(text).snapshot.listeners[0]?.limits.minBodyBytesPerSecond;
  };
  assert.deepEqual(["0", "100", "1KiB"].map(rateOf), [0, 100, 1024]);
  for (const written of ["-1", "1.5", "1KiB/s", "240bps"]) {
    const text = listener(`bind: "127.0.0.1:1", protocol: http, limits: { minBodyBytesPerSecond: ${written} }`);
    assert.match(refuse(text)[0] ?? "", /limits\.minBodyBytesPerSecond/, written);
  }
});

test("connections may grow old without limit, or for at least a minute", () => {
  const text = (age: string) => listener(`bind: "127.0.0.1:1", protocol: http, timeouts: { connectionAge: ${age} }`);
  const ageOf = (age: string) => accept(text(age)).snapshot.listeners[0]?.timeouts.connectionAgeMs;
  assert.deepEqual(["0s", "1m", "60s", "1h"].map(ageOf), [0, 60_000, 60_000, 3_600_000]);
  for (const age of ["59s", "100ms"]) assert.match(refuse(text(age))[0] ?? "", /timeouts\.connectionAge must be 0s or at least 1m/);
  assert.match(refuse(text("soon"))[0] ?? "", /timeouts\.connectionAge "soon" is not a duration/);
});

test("connections of one address can be limited on Linux only, and not to less than the workers need", () => {
  const text = (limit: number) =>
    `${listener(`bind: "127.0.0.1:1", protocol: http, limits: { maxConnectionsPerAddress: ${limit} }`)}\nworkers: 4`;
  const linux = { platform: "linux" } as const;
  const enough = accept(text(21), linux);
  assert.equal(enough.snapshot.listeners[0]?.limits.maxConnectionsPerAddress, 21);
  assert.deepEqual(enough.warnings, []);
  assert.match(accept(text(20), linux).warnings[0] ?? "", /limits\.maxConnectionsPerAddress warning: is raised to 21: each of 4 workers/);
  assert.match(refuse(text(21), { platform: "darwin" })[0] ?? "", /limits\.maxConnectionsPerAddress is possible on Linux only/);
  accept(text(0), { platform: "darwin" });
  assert.match(refuse(text(-1), linux)[0] ?? "", /maxConnectionsPerAddress/);
});

function listeners(...binds: string[]): string {
  return `listeners: [${binds.map((bind, i) => `{ name: l${i}, bind: "${bind}", protocol: http }`).join(", ")}]`;
}

test("two listeners, or a listener and the admin API, cannot share an address", () => {
  assert.match(
    refuse(listeners("1.2.3.4:80", "1.2.3.4:80"))[0] ?? "",
    /listeners\[1\]\.bind "1\.2\.3\.4:80" is taken \(the other is at test\.yaml:1\)/,
  );
  assert.match(refuse(listeners("0.0.0.0:80", "1.2.3.4:80"))[0] ?? "", /overlaps/);
  assert.match(
    refuse(listeners("127.0.0.1:9901"))[0] ?? "",
    /listeners\[0\]\.bind the default 127\.0\.0\.1:9901 is taken .*write admin\.bind/,
  );
  assert.match(refuse(`${listeners("127.0.0.1:81")}\nadmin: { bind: "127.0.0.1:81" }`)[0] ?? "", /^test\.yaml:2:16 admin\.bind/);
});

test("different ports, addresses, and port 0 twice do not collide", () => {
  accept(listeners("1.2.3.4:80", "1.2.3.4:81", "1.2.3.5:80", "1.2.3.4:0", "1.2.3.4:0"));
});
