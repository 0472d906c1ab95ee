/** Settings of `h2` and `h2c` listeners: what they become, and where they are refused. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "../../../src/config/index.js";
import { makeCertificate, problemsOf, refuse, temporaryDirectory } from "./fixtures.js";

const TLS = "tls: { certificates: [{ cert: 0.pem, key: 0-key.pem }] }";

function load(context: Parameters<typeof temporaryDirectory>[0], listener: string, files: Readonly<Record<string, string>> = {}) {
  const { cert, key } = makeCertificate(["a.example"]);
  const text = `listeners: [{ name: a, bind: "127.0.0.1:1", ${listener} }]`;
  const directory = temporaryDirectory(context, { "w.yaml": text, "0.pem": cert, "0-key.pem": key, ...files });
  return { result: loadConfig(join(directory, "w.yaml"), { env: {} }), cert, key };
}

test("an h2 listener carries its certificates and the roots of its clients as text", (context) => {
  const roots = makeCertificate(["roots.example"]).cert;
  const listener = "protocol: h2, tls: { certificates: [{ cert: 0.pem, key: 0-key.pem }], clientAuth: { mode: optional, ca: roots.pem } }";
  const { result, cert, key } = load(context, listener, { "roots.pem": roots });
  assert.ok(result.ok);
  assert.deepEqual(result.snapshot.listeners[0]?.wire?.tls, {
    minVersion: "TLSv1.2",
    handshakeMs: 10_000,
    maxHandshakes: 1_000,
    pems: [{ cert, key }],
    clientAuth: { isRequired: false, caPem: roots },
  });
});

test("the mesh speaks TLS 1.3 unless told otherwise, the edge 1.2", (context) => {
  const minVersion = (listener: string) => {
    const { result } = load(context, listener);
    return result.ok ? result.snapshot.listeners[0]?.wire?.tls?.minVersion : problemsOf(result).map(formatProblem);
  };
  assert.equal(minVersion(`protocol: h2, ${TLS}`), "TLSv1.2");
  assert.equal(minVersion(`protocol: h2, direction: inbound, ${TLS}`), "TLSv1.3");
  const older = 'tls: { minVersion: "1.2", certificates: [{ cert: 0.pem, key: 0-key.pem }] }';
  assert.equal(minVersion(`protocol: h2, direction: inbound, ${older}`), "TLSv1.2");
});

test("renewed roots of clients make another version of the snapshot, and so does another setting", (context) => {
  const auth = "tls: { certificates: [{ cert: 0.pem, key: 0-key.pem }], clientAuth: { mode: require, ca: roots.pem } }";
  const version = (listener: string, roots: string) => {
    const { result } = load(context, listener, { "roots.pem": roots });
    return result.ok ? result.snapshot.version : assert.fail(problemsOf(result).map(formatProblem).join("\n"));
  };
  const [one, other] = [makeCertificate(["one.example"]).cert, makeCertificate(["other.example"]).cert];
  assert.notEqual(version(`protocol: h2, ${auth}`, one), version(`protocol: h2, ${auth}`, other));
  assert.notEqual(version(`protocol: h2, ${auth}`, one), version(`protocol: h2, timeouts: { keepAlive: 5s }, ${auth}`, one));
});

test("roots of clients that cannot be read are a problem at their place", (context) => {
  const auth = "tls: { certificates: [{ cert: 0.pem, key: 0-key.pem }], clientAuth: { mode: require, ca: roots.pem } }";
  const missing = problemsOf(load(context, `protocol: h2, ${auth}`).result).map(formatProblem);
  assert.match(missing[0] ?? "", /clientAuth\.ca cannot read "roots\.pem"/);
  const garbage = problemsOf(load(context, `protocol: h2, ${auth}`, { "roots.pem": "nonsense" }).result).map(formatProblem);
  assert.match(garbage[0] ?? "", /clientAuth\.ca holds no PEM certificates/);
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["h2 without tls", "protocol: h2", /protocol h2 needs tls/],
  ["tls on h2c", `protocol: h2c, ${TLS}`, /tls has no place on an h2c listener \(write protocol: h2\)/],
  [
    "client certificates on https",
    "protocol: https, tls: { certificates: [{ cert: a, key: b }], clientAuth: { mode: require, ca: c } }",
    /tls\.clientAuth is possible on h2 and h2c listeners only/,
  ],
  ["PROXY protocol on http", "protocol: http, proxyProtocol: optional", /proxyProtocol is possible on h2 and h2c listeners only/],
  ["keep-alive on http", "protocol: http, timeouts: { keepAlive: 5s }", /timeouts\.keepAlive is possible on h2/],
  ["HTTP/2 settings on http", "protocol: http, http2: { ping: 5s }", /http2 is possible on h2/],
  ["fields on http", "protocol: http, limits: { maxHeaderFields: 50 }", /limits\.maxHeaderFields is possible on h2/],
  ["a handshake without TLS", "protocol: h2c, timeouts: { handshake: 5s }", /timeouts\.handshake has no effect without TLS/],
  ["PROXY protocol from nobody", "protocol: h2c, proxyProtocol: required", /proxyProtocol needs trustedProxies/],
  [
    "a connection window below the standard's",
    "protocol: h2c, http2: { connectionWindow: 1KiB }",
    /connectionWindow must be at least 65535/,
  ],
  ["an unknown way to ask", "protocol: h2, tls: { clientAuth: { mode: perhaps, ca: c } }", /"perhaps" is not one of require, optional/],
];

for (const [what, listener, expected] of REFUSED) {
  test(`${what}: refused, with its place`, () => {
    const problems = refuse(`listeners: [{ name: a, bind: "127.0.0.1:1", ${listener} }]`);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      problems.join("\n"),
    );
  });
}
