/** Walks the API's own description: every operation is called, and what comes back is held to what was promised. */
import assert from "node:assert/strict";
import { describe, it, type TestContext, test } from "node:test";
import { adminEndpoints } from "../../../src/admin/admin-server.js";
import type { AdminViews } from "../../../src/admin/views.js";
import { APPLIED, ask, memoryTrail, startServer, TOKENS, VERSION, VIEWS, WRITER } from "./fixtures.js";

const ENDPOINTS = adminEndpoints({ views: VIEWS, audit: memoryTrail(), version: "1.0.0" });
const AUTHORIZED = { authorization: `Bearer ${WRITER}` };
const PROBLEM = {
  file: "w.yaml",
  line: 3,
  column: 1,
  path: "routes[0]",
  message: "is wrong",
  hint: "do better",
  severity: "error",
} as const;

/** By operation; those that are missing take no body. */
const BODIES: Readonly<Record<string, unknown>> = {
  reload: {},
  apply: { texts: [{ name: "w.yaml", text: "listeners: []" }], note: "n", guard: { durationMs: 5000, maxErrorRate: 0.02 } },
  rollback: { version: "aaaa" },
  upgrade: {},
  check: { texts: [{ name: "w.yaml", text: "" }] },
  explain: { request: "GET https://a.example/", headers: [["x", "y"]] },
  setOverride: { weight: 5, note: "n", ttlMs: 60_000 },
  createExplainToken: { ttlMs: 60_000 },
};

interface Operation {
  readonly operationId: string;
  readonly security: readonly unknown[];
  readonly requestBody?: { readonly required: boolean; readonly content: Record<string, { readonly schema: Record<string, unknown> }> };
  readonly responses: Record<string, { readonly content: Record<string, { readonly schema?: unknown }> }>;
}

interface Described {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

async function readOperations(t: TestContext): Promise<Described[]> {
  const { port } = await startServer(t, { tokens: TOKENS });
  const document = JSON.parse((await ask(port, "/v1/openapi.json", { headers: AUTHORIZED })).body);
  assert.equal(document.openapi, "3.1.1");
  return Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

const PLACES: Readonly<Record<string, string>> = { id: "aaaa", other: "bbbb", service: "app", address: "%5B::1%5D:80" };

function targetOf(path: string): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => PLACES[name] ?? "");
}

function call(port: number, { method, path, operation }: Described, body: unknown = BODIES[operation.operationId]) {
  const headers = { ...AUTHORIZED, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  return ask(port, targetOf(path), { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}

/** Against the schema of the table; an unknown field in an answer is a leak until it is described. */
function assertAsPromised(id: string, status: number, body: string): void {
  const text = ENDPOINTS.find((endpoint) => endpoint.id === id)?.answers[status];
  assert.ok(text !== undefined, `${id} answered ${status}, which is not described`);
  if (text.schema === null) return;
  const parsed = text.schema.safeParse(JSON.parse(body));
  assert.ok(parsed.success, `${id} ${status}: ${parsed.error?.message}`);
}

test("every operation of the document answers as it is described", async (t) => {
  const operations = await readOperations(t);
  assert.deepEqual(operations.map(({ operation }) => operation.operationId).sort(), ENDPOINTS.map(({ id }) => id).sort());
  const { port, errors } = await startServer(t, { tokens: TOKENS });
  for (const described of operations) {
    const { operationId, responses } = described.operation;
    const answer = await call(port, described);
    assert.ok(answer.status < 300, `${operationId}: ${answer.status} ${answer.body}`);
    assert.ok(Object.hasOwn(responses[answer.status]?.content ?? {}, String(answer.headers["content-type"])), operationId);
    assertAsPromised(operationId, answer.status, answer.body);
  }
  assert.deepEqual(errors, []);
});

test("who needs a token for what is described as it is", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  for (const { method, path, operation } of await readOperations(t)) {
    const { status } = await ask(port, targetOf(path), { method });
    assert.equal(status === 401, operation.security.length > 0, operation.operationId);
  }
});

test("bodies are described as required exactly when they are", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  for (const { method, path, operation } of await readOperations(t)) {
    if (operation.requestBody === undefined) continue;
    const { status } = await ask(port, targetOf(path), { method, headers: AUTHORIZED });
    assert.equal(status === 400, operation.requestBody.required, operation.operationId);
  }
});

const SERVED = VERSION.version;
const BUSY = { result: "busy", message: "an apply is under way" } as const;
const REJECTED = { result: "rejected", problems: [PROBLEM] } as const;
const FAILED = { result: "failed", message: "worker 2 did not answer" } as const;
const NOT_FOUND = { result: "notFound", message: "none begins with aaaa" } as const;
const GUARDED = {
  version: "b",
  previous: "a",
  maxErrorRate: 0.02,
  routes: [{ name: "r", requests: 9, errorRate: 0.5, baselineErrorRate: null }],
};
const TIME = VERSION.acceptedAt;

/** Operation, what the view says, status, what the body says. */
const OUTCOMES: readonly (readonly [id: string, views: Partial<AdminViews>, status: number, members: object])[] = [
  ["reload", { reload: async () => APPLIED }, 200, { result: "applied", version: "cccc" }],
  ["reload", { reload: async () => REJECTED }, 422, { result: "rejected", problems: [PROBLEM], status: 422 }],
  ["reload", { reload: async () => BUSY }, 409, { result: "busy", detail: BUSY.message }],
  ["reload", { reload: async () => FAILED }, 503, { result: "failed", detail: FAILED.message }],
  ["apply", { apply: async () => ({ result: "unchanged", version: SERVED, warnings: [] }) }, 200, { result: "unchanged" }],
  [
    "apply",
    { apply: async () => ({ result: "planned", version: "c", previous: SERVED, needsRoll: true, changes: [], warnings: [] }) },
    200,
    { needsRoll: true },
  ],
  ["apply", { apply: async () => REJECTED }, 422, { problems: [PROBLEM] }],
  ["apply", { apply: async () => BUSY }, 409, { result: "busy" }],
  ["apply", { apply: async () => FAILED }, 503, { result: "failed" }],
  ["rollback", { rollback: async () => NOT_FOUND }, 404, { result: "notFound", detail: NOT_FOUND.message }],
  ["rollback", { rollback: async () => REJECTED }, 422, { result: "rejected" }],
  ["rollback", { rollback: async () => BUSY }, 409, { result: "busy" }],
  ["rollback", { rollback: async () => FAILED }, 503, { result: "failed" }],
  ["check", { check: async () => REJECTED }, 422, { result: "rejected", problems: [PROBLEM] }],
  ["upgrade", { upgrade: async () => BUSY }, 409, { result: "busy" }],
  ["upgrade", { upgrade: async () => FAILED }, 503, { result: "failed" }],
  ["upgrade", { upgrade: async () => ({ result: "unsupported", message: "--single" }) }, 501, { result: "unsupported" }],
  ["getVersion", { version: async () => null }, 404, { status: 404 }],
  ["getDiff", { diff: async () => NOT_FOUND }, 404, { result: "notFound" }],
  ["explain", { explain: async () => ({ result: "invalid", message: "no listener" }) }, 422, { result: "invalid", detail: "no listener" }],
  ["getGuard", { guard: () => ({ state: "watching", endsAt: TIME, ...GUARDED }) }, 200, { state: "watching" }],
  ["getGuard", { guard: () => ({ state: "kept", decidedAt: TIME, ...GUARDED }) }, 200, { state: "kept" }],
  ["getGuard", { guard: () => ({ state: "rolledBack", decidedAt: TIME, reason: "r", failure: null, ...GUARDED }) }, 200, { failure: null }],
  ["getGuard", { guard: () => ({ state: "superseded", decidedAt: TIME, reason: "r", ...GUARDED }) }, 200, { reason: "r" }],
  ["setOverride", { override: () => NOT_FOUND }, 404, { result: "notFound", detail: NOT_FOUND.message }],
  ["setOverride", { override: () => ({ result: "invalid", message: "no port" }) }, 422, { result: "invalid", detail: "no port" }],
  ["setOverride", { override: () => ({ result: "full", message: "take some back" }) }, 507, { result: "full" }],
  ["deleteOverride", { restore: () => NOT_FOUND }, 404, { result: "notFound" }],
  [
    "deleteOverride",
    { restore: (place) => ({ result: "restored", isKept: true, ...place }) },
    200,
    { service: "app", address: "[::1]:80" },
  ],
  ["getHealth", { health: () => ({ isHealthy: false, reasons: ["stuck"] }) }, 503, { status: "unavailable", reasons: ["stuck"] }],
];

describe("what a view says", () => {
  for (const [id, views, status, members] of OUTCOMES) {
    it(`${id}: ${JSON.stringify(members)} is ${status}`, async (t) => {
      const { port } = await startServer(t, { tokens: TOKENS, views });
      const found = ENDPOINTS.find((candidate) => candidate.id === id);
      assert.ok(found !== undefined);
      const { method, path } = found;
      const answer = await call(port, { method, path, operation: { operationId: id, security: [], responses: {} } });
      assert.equal(answer.status, status);
      const body = JSON.parse(answer.body) as Record<string, unknown>;
      for (const [name, value] of Object.entries(members)) assert.deepEqual(body[name], value, name);
      assertAsPromised(id, status, answer.body);
      const isProblem = status >= 400 && id !== "getHealth";
      assert.equal(answer.headers["content-type"], isProblem ? "application/problem+json" : "application/json");
    });
  }
});
