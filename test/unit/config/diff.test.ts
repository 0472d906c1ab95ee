/** Differences between documents: by object, exactly when versions differ, and never with a secret in them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { type ConfigResult, diffDocuments, type LoadOptions, loadConfig, parseConfig } from "../../../src/config/index.js";
import type { ObjectChange } from "../../../src/engine/model/configuration.js";
import { copyExamples, ENV, examples } from "./example-files.js";
import { BACKENDS, httpsDocument, MINIMAL, makeCertificate, problemsOf, temporaryDirectory, withRoute } from "./fixtures.js";

type Good = Extract<ConfigResult, { ok: true }>;

function good(result: ConfigResult): Good {
  assert.ok(result.ok, JSON.stringify(problemsOf(result)));
  return result;
}

function diff(before: string, after: string, options: LoadOptions = { env: {} }): ObjectChange[] {
  const [a, b] = [good(parseConfig(before, "a.yaml", options)), good(parseConfig(after, "b.yaml", options))];
  return checkedDiff(a, b);
}

/** Holds for all documents: no difference exactly when the versions are equal, and changed objects say in what. */
function checkedDiff(a: Good, b: Good): ObjectChange[] {
  const changes = diffDocuments(a.document, b.document);
  assert.equal(changes.length === 0, a.snapshot.version === b.snapshot.version, JSON.stringify(changes));
  for (const change of changes) {
    const isTold = change.change === "changed" || change.change === "moved";
    assert.equal(change.fields.length > 0, isTold, JSON.stringify(change));
  }
  return changes;
}

const SERVICES = (orders = "127.0.0.1:9101") => `
services:
  - { name: orders, endpoints: { static: [{ address: "${orders}" }] } }
  - { name: other, endpoints: { static: [{ address: "127.0.0.1:9102" }] } }
`;
const ROUTE = (route: string, services = SERVICES()) => `${MINIMAL}${services}routes:\n  - name: first\n${route}`;

test("a changed field is named as it is written", () => {
  const backends = (weight: number) => `    backends: [{ service: orders, weight: ${weight} }, { service: other, weight: 5 }]\n`;
  assert.deepEqual(diff(ROUTE(backends(90)), ROUTE(backends(95))), [
    { kind: "routes", name: "first", change: "changed", fields: [{ path: "backends[0].weight", before: 90, after: 95 }] },
  ]);
});

test("a default that is written out, or another way to write the same, is no change", () => {
  assert.deepEqual(
    diff(ROUTE(BACKENDS), ROUTE(`${BACKENDS}    timeouts: { request: 15000ms }\n    match: [{ path: { value: / } }]\n`)),
    [],
  );
});

test("beside a real change, rewordings are not listed", () => {
  const timeouts = (request: string, backend: string) => `${BACKENDS}    timeouts: { request: ${request}, backendRequest: ${backend} }\n`;
  const [change] = diff(ROUTE(timeouts("60s", "1s")), ROUTE(timeouts("1m", "2s")));
  assert.deepEqual(change?.fields, [{ path: "timeouts.backendRequest", before: "1s", after: "2s" }]);
});

test("text that only looks like a duration is compared as text", () => {
  const header = (value: string) => `${BACKENDS}    filters: [{ requestHeaders: { set: { x-a: ${value} } } }]\n`;
  const [change] = diff(ROUTE(header("60s")), ROUTE(header("1m")));
  assert.deepEqual(change?.fields, [{ path: "filters[0].requestHeaders.set.x-a", before: "60s", after: "1m" }]);
});

test("objects come and go by name", () => {
  const changes = diff(ROUTE(BACKENDS), `${MINIMAL}routes: [{ name: second, filters: [{ respond: {} }] }]\n`);
  assert.deepEqual(
    changes.map(({ kind, name, change }) => `${change} ${kind}/${name}`),
    ["removed routes/first", "added routes/second", "removed services/orders", "removed services/other"],
  );
});

test("blocks without a name are one object each", () => {
  const changes = diff(
    MINIMAL,
    `${MINIMAL}workers: 3\ndrain: { timeout: 5s }\nlimits: { maxKeys: 7 }\ntelemetry: { accessLog: { path: "off" } }\nadmin: { bind: "127.0.0.1:1" }\n`,
  );
  assert.deepEqual(changes, [
    { kind: "limits", name: "", change: "changed", fields: [{ path: "maxKeys", before: 100_000, after: 7 }] },
    { kind: "telemetry", name: "", change: "changed", fields: [{ path: "accessLog.path", before: "stdout", after: "off" }] },
    { kind: "admin", name: "", change: "changed", fields: [{ path: "bind", before: "127.0.0.1:9901", after: "127.0.0.1:1" }] },
    { kind: "workers", name: "", change: "changed", fields: [{ path: "", before: "auto", after: 3 }] },
    { kind: "drain", name: "", change: "changed", fields: [{ path: "timeout", before: "30s", after: "5s" }] },
  ]);
});

test("an inserted filter, endpoint or hostname is one addition, not a change of all that follow", () => {
  const route = (filters: string, hostnames: string) => `${BACKENDS}    filters: [${filters}]\n    hostnames: [${hostnames}]\n`;
  const set = "{ requestHeaders: { set: { x-a: b } } }";
  const limit = "{ rateLimit: { limit: 5, per: 1s } }";
  const [change] = diff(ROUTE(route(set, "a.example, c.example")), ROUTE(route(`${limit}, ${set}`, "a.example, b.example, c.example")));
  const paths = change?.fields.map(({ path, before }) => [path, before]);
  assert.deepEqual(paths, [
    ["hostnames[1]", null],
    ["filters[0]", null],
  ]);
  const service = (addresses: string[]) =>
    ROUTE(
      BACKENDS,
      SERVICES().replace('{ address: "127.0.0.1:9101" }', addresses.map((address) => `{ address: "${address}" }`).join(", ")),
    );
  const [endpoints] = diff(service(["h:1", "h:2", "h:3"]), service(["h:1", "h:3", "h:4"]));
  assert.deepEqual(
    endpoints?.fields.map(({ path, before, after }) => [
      path,
      (before as { address: string } | null)?.address,
      (after as { address: string } | null)?.address,
    ]),
    [
      ["endpoints.static[1]", "h:2", undefined],
      ["endpoints.static[2]", undefined, "h:4"],
    ],
  );
});

test("a match with another path is a changed field", () => {
  const match = (path: string) => `${BACKENDS}    match: [{ path: { value: /a } }, { path: { value: ${path} } }]\n`;
  const [change] = diff(ROUTE(match("/b")), ROUTE(match("/c")));
  assert.deepEqual(change?.fields, [{ path: "match[1].path.value", before: "/b", after: "/c" }]);
});

test("a route is moved only where order decides, and the fewest that explain it", () => {
  const route = (name: string, path: string) =>
    `  - { name: ${name}, filters: [{ respond: {} }], match: [{ path: { value: ${path} } }] }\n`;
  const all = [route("a", "/"), route("b", "/"), route("c", "/"), route("d", "/d")];
  const text = (...order: number[]) => `${MINIMAL}routes:\n${order.map((index) => all[index]).join("")}`;
  assert.deepEqual(diff(text(0, 1, 2, 3), text(3, 0, 1, 2)), []);
  assert.deepEqual(diff(text(0, 1, 2, 3), text(2, 0, 3, 1)), [
    { kind: "routes", name: "c", change: "moved", fields: [{ path: "position", before: 3, after: 1 }] },
  ]);
});

test("a renewed certificate under the same path is shown by its digest", (context) => {
  const directory = temporaryDirectory(context, { "w.yaml": httpsDocument(2) });
  const write = (index: number, year: number) => {
    const { cert, key } = makeCertificate([`${index}.example`], { notAfter: new Date(`${year}-01-01T00:00:00Z`) });
    writeFileSync(join(directory, `${index}.pem`), cert);
    writeFileSync(join(directory, `${index}-key.pem`), key);
    return key;
  };
  const load = () => good(loadConfig(join(directory, "w.yaml"), { env: {} }));
  const key = write(0, 2050);
  write(1, 2050);
  const before = load();
  write(1, 2051);
  const changes = checkedDiff(before, load());
  assert.deepEqual(
    changes.map(({ kind, name, fields }) => [kind, name, fields.map(({ path }) => path)]),
    [["listeners", "public", ["tls.certificates[1]"]]],
  );
  assert.match(String(changes[0]?.fields[0]?.before), /^sha256:[0-9a-f]{16}$/);
  assert.equal(JSON.stringify(changes).includes(key.slice(60, 100)), false);
  // The leaf stays, what signs it is another.
  const leaf = readFileSync(join(directory, "1.pem"), "utf8");
  const renewed = load();
  writeFileSync(join(directory, "1.pem"), leaf + makeCertificate(["ca.example"]).cert);
  assert.equal(checkedDiff(renewed, load()).length, 1);
});

test("changed secrets are reported and not shown: tokens, variables, files, keys, secret headers", (context) => {
  const secrets = ["first-secret-0123456789-abcdefghijklmnop", "other-secret-9876543210-ponmlkjihgfedcba"];
  const b64 = (text: string) => Buffer.from(text).toString("base64url");
  const [before, after] = secrets.map((secret) => {
    const key = `{ kty: oct, kid: one, k: ${b64(secret)} }`;
    const text = `
listeners: [{ name: public, bind: "127.0.0.1:8080", protocol: http }]
admin: { token: { file: token } }
providers:
  jwt:
    - { name: inline, issuer: i, algorithms: [HS256], jwks: { inline: { keys: [${key}] } } }
    - { name: file, issuer: f, algorithms: [HS256], jwks: { file: keys.json } }
routes:
  - name: r
    match: [{ headers: [{ name: x-api-key, value: ${secret} }], queryParams: [{ name: q, value: "\${T}" }] }]
    filters:
      - requestHeaders: { set: { authorization: "Bearer ${secret}", x-env: "\${T}", x-file: { file: token } } }
      - respond: { body: { file: token } }
`;
    const keys = JSON.stringify({ keys: [{ kty: "oct", kid: "two", k: b64(secret) }] });
    const directory = temporaryDirectory(context, { "w.yaml": text, token: secret, "keys.json": keys });
    return good(loadConfig(join(directory, "w.yaml"), { env: { T: secret } }));
  });
  assert.ok(before && after);
  const changes = checkedDiff(before, after);
  for (const secret of secrets) for (const form of [secret, b64(secret)]) assert.equal(JSON.stringify(changes).includes(form), false);
  const fields = changes.flatMap(({ kind, name, fields }) => fields.map((field) => ({ where: `${kind}/${name} ${field.path}`, ...field })));
  assert.deepEqual(
    fields.map(({ where }) => where),
    [
      "routes/r match[0].headers[0].value",
      "routes/r match[0].queryParams[0].value",
      "routes/r filters[0].requestHeaders.set.authorization",
      "routes/r filters[0].requestHeaders.set.x-env",
      "routes/r filters[0].requestHeaders.set.x-file",
      "routes/r filters[1].respond.body",
      "providers.jwt/inline jwks.inline.keys[0].k",
      "providers.jwt/file jwks",
      "admin/ token",
    ],
  );
  for (const { before: old, after: now, where } of fields) assert.deepEqual([old, now], ["[redacted]", "[redacted]"], where);
});

test("a secret that comes or goes says so", () => {
  const token = "admin: { token: 0123456789abcdef0123456789abcdef }\n";
  assert.deepEqual(diff(MINIMAL, MINIMAL + token)[0]?.fields, [{ path: "token", before: null, after: "[redacted]" }]);
  assert.deepEqual(diff(MINIMAL + token, MINIMAL)[0]?.fields, [{ path: "token", before: "[redacted]", after: null }]);
});

test("names that are members of every object are names like others", () => {
  const route = (name: string) =>
    `${MINIMAL}routes: [{ name: ${name}, filters: [{ respond: { json: { constructor: 1, toString: 2 } } }] }]\n`;
  assert.deepEqual(
    diff(route("constructor"), route("valueOf")).map(({ change, name }) => [change, name]),
    [
      ["removed", "constructor"],
      ["added", "valueOf"],
    ],
  );
  assert.equal(diff(withRoute(BACKENDS), withRoute(`${BACKENDS}    hostnames: [constructor]\n`)).length, 1);
});

// ── Mutations of the examples ────────────────────────────────────────────────────────────────────────────────────

type Container = Record<string, unknown> | unknown[];

function containersOf(value: unknown): Container[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Container, ...Object.values(value).flatMap(containersOf)];
}

const MUTATION = fc.record({
  where: fc.nat(500),
  member: fc.nat(20),
  kind: fc.constantFrom("leaf", "leaf", "drop", "copy", "swap"),
  seed: fc.nat(9),
});
type Mutation = typeof MUTATION extends fc.Arbitrary<infer T> ? T : never;

/** Small and often valid: another number, another duration, one element less, two exchanged, one more of a kind. */
function mutate(document: unknown, { where, member, kind, seed }: Mutation): void {
  const containers = containersOf(document);
  const container = containers[where % containers.length] as Record<string, unknown>;
  const keys = Object.keys(container);
  const key = keys[member % Math.max(1, keys.length)];
  if (key === undefined) return;
  if (kind === "leaf") container[key] = otherLeaf(container[key], seed);
  else if (kind === "drop") Array.isArray(container) ? container.splice(Number(key), 1) : delete container[key];
  else if (Array.isArray(container)) {
    const other = seed % container.length;
    if (kind === "copy") container.push(renamed(structuredClone(container[Number(key)]), seed));
    else [container[Number(key)], container[other]] = [container[other], container[Number(key)]];
  }
}

function renamed(value: unknown, seed: number): unknown {
  if (typeof value === "object" && value !== null && "name" in value) (value as { name: unknown }).name = `copy-${seed}`;
  return value;
}

function otherLeaf(value: unknown, seed: number): unknown {
  if (typeof value === "number") return value + seed;
  if (typeof value === "boolean") return !value;
  if (typeof value !== "string") return value;
  if (/^\d+(s|m|ms)$/.test(value)) return ["60s", "1m", "60000ms", "5s", "0s", "2m"][seed % 6];
  if (/^\d+(KiB|MiB)$/.test(value)) return ["1MiB", "1024KiB", "2MiB"][seed % 3];
  if (value.startsWith("/")) return `${value}${["/", "/x", ""][seed % 3]}`;
  return [value.toUpperCase(), `${value}x`, value][seed % 3];
}

test("on mutated examples there is a difference exactly when the versions differ", (context) => {
  const root = copyExamples(context);
  const names = examples.filter((name) => name.endsWith(".yaml"));
  const documents = names.map((name) => ({
    name: join(root, name),
    document: parse(readFileSync(join(root, name), "utf8"), { merge: true }),
  }));
  let valid = 0;
  let changed = 0;
  const property = fc.property(fc.nat(documents.length - 1), fc.array(MUTATION, { minLength: 1, maxLength: 3 }), (which, mutations) => {
    const { name, document } = documents[which]!;
    // Anchors make one object out of several; here each is mutated alone.
    const original = JSON.parse(JSON.stringify(document)) as unknown;
    const mutated = structuredClone(original);
    for (const mutation of mutations) mutate(mutated, mutation);
    const before = good(parseConfig(stringify(original), name, { env: ENV }));
    const after = parseConfig(stringify(mutated), name, { env: ENV });
    assert.deepEqual(checkedDiff(before, before), []);
    if (!after.ok) return;
    valid += 1;
    const forth = checkedDiff(before, after);
    const back = checkedDiff(after, before);
    if (forth.length > 0) changed += 1;
    assert.equal(JSON.stringify(forth).includes(ENV.WINDROSE_ADMIN_TOKEN), false);
    const objects = (changes: ObjectChange[]) =>
      new Set(changes.filter(({ change }) => change !== "moved").map(({ kind, name: object }) => `${kind}/${object}`));
    assert.deepEqual(objects(forth), objects(back));
  });
  fc.assert(property, { numRuns: 400 });
  assert.ok(valid > 100 && changed > 60 && changed < valid, `${valid} valid, ${changed} changed`);
});

test("ten thousand routes are compared in a moment, moved ones too", () => {
  const routes = (names: number[]) => names.map((index) => `  - { name: r${index}, filters: [{ respond: {} }] }\n`).join("");
  const order = Array.from({ length: 10_000 }, (_, index) => index);
  const before = good(parseConfig(`${MINIMAL}routes:\n${routes(order)}`, "a.yaml", { env: {} }));
  const after = good(parseConfig(`${MINIMAL}routes:\n${routes([...order.slice(1), 0])}`, "a.yaml", { env: {} }));
  const started = performance.now();
  const changes = checkedDiff(before, after);
  assert.ok(performance.now() - started < 2000);
  assert.deepEqual(
    changes.map(({ change, name }) => [change, name]),
    [["moved", "r0"]],
  );
});
