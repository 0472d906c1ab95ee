/** Whatever becomes of a document, loading it never throws, and every problem is located and printable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { formatProblem, parseConfig, redactDocument } from "../../../src/config/index.js";

const VALID = {
  listeners: [
    {
      name: "public",
      direction: "ingress",
      bind: "127.0.0.1:8080",
      protocol: "http",
      hostnames: ["a.example"],
      trustedProxies: ["10.0.0.0/8"],
      limits: { maxBodyBytes: "1MiB" },
      timeouts: { request: "5s" },
    },
    { name: "inside", direction: "inbound", bind: "127.0.0.1:8081", protocol: "http", hardening: { normalisePath: true } },
  ],
  routes: [
    {
      name: "orders",
      listeners: ["public"],
      hostnames: ["a.example"],
      match: [
        {
          path: { type: "PathPrefix", value: "/orders" },
          methods: ["GET"],
          headers: [{ name: "x-a", value: "1" }],
          queryParams: [{ name: "q", value: "2" }],
        },
      ],
      filters: [
        { jwt: { provider: "main" } },
        { rateLimit: { limit: 5, per: "10s", key: "jwt.sub" } },
        { requestHeaders: { set: { "x-user": "{jwt.sub}" }, remove: ["x-b"] } },
      ],
      backends: [{ service: "orders", weight: 3 }],
      timeouts: { request: "5s", backendRequest: "1s" },
      retry: { attempts: 1, on: ["reset", 503], maxReplayBytes: "1KiB", budgetPercent: 20 },
    },
    { name: "home", filters: [{ respond: { status: 200, body: "hi" } }] },
    {
      name: "away",
      match: [{ path: { value: "/away" } }],
      filters: [{ redirect: { scheme: "https", path: { type: "ReplaceFullPath", value: "/" } } }],
    },
  ],
  services: [
    {
      name: "orders",
      protocol: "https",
      tls: { serverName: "b.example" },
      endpoints: { static: [{ address: "127.0.0.1:9101", labels: { v: "1" } }] },
      circuit: { maxConnections: 5 },
    },
  ],
  providers: {
    jwt: [{ name: "main", issuer: "https://i.example", audiences: ["a"], algorithms: ["ES256"], jwks: { uri: "https://i.example/jwks" } }],
  },
  telemetry: { accessLog: { path: "off" } },
  admin: {
    bind: "127.0.0.1:0",
    token: "0123456789abcdef0123",
    tokens: [{ name: "ci", token: "0123456789abcdef4567", role: "write" }],
    socket: "admin.sock",
  },
  workers: 2,
};

const JUNK = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    Number.NaN,
    "",
    "x",
    "*",
    "0s",
    "${NOPE}",
    "${SET}",
    "${",
    "{jwt.sub}",
    [],
    {},
    [[]],
    [null],
    { a: null },
    { file: "nope" },
    { file: 5 },
    "\u0000",
    "\u2028",
    "ä",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.jsonValue({ maxDepth: 3 }),
);

type Container = Record<string, unknown> | unknown[];

function containersOf(value: unknown): Container[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Container, ...Object.values(value).flatMap(containersOf)];
}

interface Mutation {
  readonly where: number;
  readonly member: number;
  readonly kind: "replace" | "remove" | "rename" | "add" | "copy";
  readonly value: unknown;
}

const MUTATION: fc.Arbitrary<Mutation> = fc.record({
  where: fc.nat(500),
  member: fc.nat(50),
  kind: fc.constantFrom("replace", "remove", "rename", "add", "copy"),
  value: JUNK,
});

function mutate(document: unknown, { where, member, kind, value: given }: Mutation): void {
  const value = structuredClone(given); // one value put into itself by two mutations would be no document
  const containers = containersOf(document);
  const container = containers[where % containers.length] as Container;
  if (Array.isArray(container)) {
    const index = container.length === 0 ? 0 : member % container.length;
    if (kind === "remove") container.splice(index, 1);
    else if (kind === "copy" || kind === "rename") container.push(structuredClone(container[index]));
    else container[kind === "add" ? container.length : index] = value;
    return;
  }
  const keys = Object.keys(container);
  const key = keys[member % Math.max(keys.length, 1)] ?? "x";
  if (kind === "remove") delete container[key];
  else if (kind === "replace") container[key] = value;
  else if (kind === "add") container[JSON.stringify(value).slice(0, 10)] = value;
  else {
    container[`${key.slice(0, -1)}${kind === "copy" ? "" : "z"}`] = container[key];
    if (kind === "rename") delete container[key];
  }
}

function check(text: string): void {
  const result = parseConfig(text, "t.yaml", { env: { SET: "hunter2-hunter2" } });
  if (result.ok) {
    assert.ok(Object.isFrozen(result.snapshot));
    redactDocument(result.document);
    return;
  }
  assert.ok(result.problems.length > 0);
  for (const problem of result.problems) {
    assert.match(formatProblem(problem), /^t\.yaml(:\d+:\d+)? \S/u);
    assert.ok(problem.line > 0 || /is empty/.test(problem.message), formatProblem(problem));
    assert.ok(!formatProblem(problem).includes("undefined"), formatProblem(problem));
    assert.ok(!formatProblem(problem).includes("hunter2"), formatProblem(problem));
  }
}

test("the document that the mutations start from compiles", () => {
  const result = parseConfig(stringify(VALID), "t.yaml", { env: {} });
  assert.deepEqual(result.ok ? [] : result.problems.map(formatProblem), []);
});

test("a document with a few random changes never throws and has located problems", () => {
  fc.assert(
    fc.property(fc.array(MUTATION, { minLength: 1, maxLength: 4 }), (mutations) => {
      const document = structuredClone(VALID);
      for (const mutation of mutations) mutate(document, mutation);
      check(stringify(document));
    }),
    { numRuns: 600 },
  );
});

test("a document with random edits of its text never throws and has located problems", () => {
  const text = stringify(VALID);
  const edit = fc.tuple(
    fc.nat(text.length),
    fc.nat(20),
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.constantFrom("[", "]", "{", "}", ":", "-", "&a", "*a", "<<: ", "\n", "  ", "\t", "---\n", "!!x ", "|", ">", "#", "${A}", "'", '"'),
    ),
  );
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
      let edited = text;
      for (const [at, remove, insert] of edits) edited = edited.slice(0, at) + insert + edited.slice(at + remove);
      check(edited);
    }),
    { numRuns: 600 },
  );
});

test("random text never throws", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => check(text)),
    { numRuns: 300 },
  );
});
