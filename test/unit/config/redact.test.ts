import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig, parseConfig, redactDocument } from "../../../src/config/index.js";
import { BACKENDS, MINIMAL, temporaryDirectory, withRoute } from "./fixtures.js";

const SECRET = "s3cr3t-value-0123456789-abcdefghijkl";

function redacted(text: string, env: Record<string, string> = {}): Record<string, unknown> {
  const result = parseConfig(text, "t.yaml", { env });
  assert.ok(result.ok);
  const data = redactDocument(result.document);
  assert.equal(JSON.stringify(data).includes(SECRET), false);
  return data;
}

test("the admin token is never shown, wherever it comes from", (context) => {
  assert.deepEqual(redacted(`${MINIMAL}admin: { token: ${SECRET} }`)["admin"], {
    bind: "127.0.0.1:9901",
    token: "[redacted]",
    tokens: [],
  });
  assert.deepEqual(redacted(`${MINIMAL}admin: { token: "\${T}" }`, { T: SECRET })["admin"], {
    bind: "127.0.0.1:9901",
    token: "[redacted]",
    tokens: [],
  });
  const named = redacted(`${MINIMAL}admin: { tokens: [{ name: ci, token: ${SECRET} }] }`);
  assert.deepEqual((named["admin"] as { tokens: unknown }).tokens, [{ name: "ci", token: "[redacted]", role: "read" }]);
  const directory = temporaryDirectory(context, { "w.yaml": `${MINIMAL}admin: { token: { file: token } }`, token: SECRET });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.equal(JSON.stringify(redactDocument(result.document)).includes(SECRET), false);
});

test("secret and private members of inline keys are replaced, the rest stays", () => {
  const k = Buffer.from(SECRET).toString("base64url");
  const text = `${MINIMAL}providers: { jwt: [{ name: p, issuer: i, algorithms: [HS256], jwks: { inline: { keys: [{ kty: oct, kid: one, k: ${k} }] } } }] }`;
  const data = redacted(text);
  assert.equal(JSON.stringify(data).includes(k), false);
  const [provider] = (data["providers"] as { jwt: { jwks: unknown }[] }).jwt;
  assert.deepEqual((provider?.jwks as { inline: unknown } | undefined)?.inline, { keys: [{ kty: "oct", kid: "one", k: "[redacted]" }] });
});

test("values of filters that came from a variable or a file are not shown", () => {
  const filters = `    filters: [{ requestHeaders: { set: { x-upstream: "k=\${T}", x-plain: hello } } }]\n`;
  const [route] = redacted(withRoute(BACKENDS + filters), { T: SECRET })["routes"] as { filters: unknown }[];
  assert.deepEqual(route?.filters, [{ requestHeaders: { set: { "x-upstream": "[redacted]", "x-plain": "hello" }, add: {}, remove: [] } }]);
});

test("well-known secret headers are not shown even when they are written in the document", () => {
  const filters = `    filters: [{ requestHeaders: { set: { Authorization: "Bearer ${SECRET}", X-Api-Key: ${SECRET}, cookie: a=${SECRET} } } }]\n`;
  const [route] = redacted(withRoute(BACKENDS + filters))["routes"] as { filters: { requestHeaders: { set: unknown } }[] }[];
  assert.deepEqual(route?.filters[0]?.requestHeaders.set, { Authorization: "[redacted]", "X-Api-Key": "[redacted]", cookie: "[redacted]" });
});

test("a match does not show what a secret header or a variable must be", () => {
  const match = `    match: [{ headers: [{ name: X-Api-Key, value: ${SECRET} }, { name: x-plain, value: "1" }], queryParams: [{ name: q, value: "\${T}" }] }]\n`;
  const [route] = redacted(withRoute(BACKENDS + match), { T: SECRET })["routes"] as { match: Record<string, unknown>[] }[];
  assert.deepEqual(route?.match[0]?.["headers"], [
    { name: "X-Api-Key", value: "[redacted]" },
    { name: "x-plain", value: "1" },
  ]);
  assert.deepEqual(route?.match[0]?.["queryParams"], [{ name: "q", value: "[redacted]" }]);
});

test("what is shown is a document again, with the same meaning", () => {
  const text = withRoute(`${BACKENDS}    filters: [{ jwt: { provider: dev } }, { rateLimit: { limit: 5, per: 10s, key: jwt.sub } }]\n`);
  const first = parseConfig(text, "t.yaml", { env: {} });
  assert.ok(first.ok);
  const second = parseConfig(JSON.stringify(redactDocument(first.document)), "t.yaml", { env: {} });
  assert.ok(second.ok);
  assert.equal(second.snapshot.version, first.snapshot.version);
});

test("so is a listener on our own codecs, with the defaults of its own", () => {
  const text = 'listeners: [{ name: a, bind: "127.0.0.1:1", protocol: h2c, http2: { maxConcurrentStreams: 7 } }]';
  const first = parseConfig(text, "t.yaml", { env: {} });
  assert.ok(first.ok);
  const shown = JSON.stringify(redactDocument(first.document));
  assert.match(shown, /"keepAlive":"75s"/);
  assert.match(shown, /"maxConcurrentStreams":7,"streamWindow":"64KiB"/);
  const second = parseConfig(shown, "t.yaml", { env: {} });
  assert.ok(second.ok);
  assert.equal(second.snapshot.version, first.snapshot.version);
});
