/** An admin server on real sockets with views that a test may change, and a way to ask it. */
import { type RequestOptions, request } from "node:http";
import type { TestContext } from "node:test";
import { type AdminServer, type AdminServerOptions, createAdminServer } from "../../../src/admin/admin-server.js";
import type { AuditEntry, AuditTrail } from "../../../src/admin/audit.js";
import type { AdminViews } from "../../../src/admin/views.js";
import type { ConfigVersion } from "../../../src/engine/model/configuration.js";
import type { Explanation } from "../../../src/engine/model/explanation.js";

const TIME = "2026-01-01T00:00:00.000Z";

export const VERSION: ConfigVersion = {
  version: "aaaa1111bbbb2222",
  sequence: 3,
  acceptedAt: TIME,
  source: "admin",
  author: "ci",
  note: "more weight",
  path: "/etc/windrose/windrose.yaml",
};

const { acceptedAt: _, ...SERVED } = VERSION;
const CHANGE = {
  kind: "routes",
  name: "shop",
  change: "changed",
  fields: [{ path: "timeouts.request", before: "1s", after: null }],
} as const;
const WARNING = { file: "w.yaml", line: 1, column: 2, path: "admin.token", message: "is short", severity: "warning" } as const;

export const APPLIED = {
  result: "applied",
  version: "cccc",
  previous: VERSION.version,
  hasRolled: false,
  durationMs: 12,
  changes: [CHANGE],
  warnings: [WARNING],
} as const;

const EXPLANATION: Explanation = {
  version: VERSION.version,
  request: {
    method: "GET",
    scheme: "https",
    authority: "a.example",
    host: "a.example",
    path: "/",
    query: null,
    clientAddress: "127.0.0.1",
    identity: null,
  },
  listener: { name: "public", protocol: "https", direction: "ingress", reason: "the first", others: [] },
  verdict: { type: "proxied" },
  route: null,
  candidates: [],
  moreCandidates: 0,
  filters: [],
  upstream: null,
  response: null,
  backends: [],
  policies: null,
  notes: [],
};

const OVERRIDE = {
  service: "app",
  address: "10.0.0.1:80",
  weight: 5,
  isDraining: true,
  note: "disk",
  author: "ci",
  setAt: TIME,
  weightUntil: null,
  drainingUntil: null,
  isPresent: true,
};

export const VIEWS: AdminViews = {
  metricsText: async () => "windrose_workers 1\n",
  health: () => ({ isHealthy: true, reasons: [] }),
  readiness: () => ({ isReady: true, reasons: [] }),
  info: () => ({
    version: "1.0.0",
    startedAt: TIME,
    snapshotVersion: VERSION.version,
    workers: [{ id: 1, pid: 4, state: "ready", snapshotVersion: VERSION.version }],
    workerRestarts: 0,
    listeners: [{ name: "public", direction: "ingress", protocol: "https", host: "0.0.0.0", port: 8443 }],
  }),
  services: async () => [
    {
      name: "app",
      protocol: "http1",
      algorithm: "roundRobin",
      healthCheck: "http",
      reasons: [],
      isPanicking: true,
      circuit: "open",
      endpoints: [
        {
          address: "10.0.0.1:80",
          weight: 1,
          zone: "",
          priority: 0,
          labels: { version: "v1" },
          state: "unhealthy",
          reasons: ["unhealthy since 2026-01-01T00:00:00.000Z: answered with status 500"],
          override: OVERRIDE,
          inFlight: 2,
          circuit: "closed",
          ejectedBy: 0,
          ejectedForMs: 0,
          workers: 2,
          checks: [{ at: "2026-01-01T00:00:00.000Z", durationMs: 3, isPassed: false, text: "answered with status 500" }],
        },
      ],
    },
  ],
  sources: () => [
    {
      service: "orders",
      type: "dns",
      source: "dns A orders.internal 8080",
      status: "stale",
      endpoints: 2,
      version: 3,
      ageSeconds: 12,
      confirmedAt: TIME,
      changedAt: TIME,
      nextTryAt: null,
      failures: 1,
      lastError: "DNS cannot tell A of orders.internal (10.0.0.2:53: SERVFAIL)",
      note: "",
    },
  ],
  overrides: () => [OVERRIDE],
  override: () => ({ result: "set", isKept: true, override: OVERRIDE }),
  restore: ({ service, address }) => ({ result: "restored", isKept: true, service, address }),
  snapshotView: () => ({ admin: { token: "[redacted]" } }),
  configStatus: async () => ({
    ...SERVED,
    since: TIME,
    disk: { state: "same" },
    lastReload: { at: TIME, trigger: "file", author: "", outcome: APPLIED },
  }),
  reload: async () => ({ result: "unchanged", version: VERSION.version, warnings: [] }),
  apply: async () => APPLIED,
  rollback: async () => APPLIED,
  versions: async () => [VERSION],
  version: async () => ({ ...VERSION, texts: [{ name: "windrose.yaml", text: "listeners: []" }] }),
  diff: async (from, to) => ({ result: "compared", from, to, changes: [CHANGE] }),
  explain: async () => ({ result: "explained", explanation: EXPLANATION }),
  explainToken: () => ({ token: "signed", expiresAt: TIME }),
  guard: () => ({ state: "idle" }),
  upgrade: async () => ({ result: "started", pid: 7 }),
  check: async () => ({ result: "good", version: "cccc", warnings: [] }),
};

export const [READER, WRITER] = ["reader-0123456789abcdef", "writer-0123456789abcdef"];
export const TOKENS: AdminServerOptions["tokens"] = [
  { name: "grafana", role: "read", token: READER },
  { name: "ci", role: "write", token: WRITER },
];

export interface MemoryTrail extends AuditTrail {
  readonly entries: AuditEntry[];
}

export function memoryTrail(): MemoryTrail {
  const entries: AuditEntry[] = [];
  return { entries, record: (entry) => entries.push(entry), recent: (limit) => entries.slice(-limit).reverse() };
}

export interface Started {
  readonly port: number;
  readonly server: AdminServer;
  readonly audit: MemoryTrail;
  readonly errors: unknown[];
}

export async function startServer(
  t: TestContext,
  changes: Partial<Omit<AdminServerOptions, "views">> & { views?: Partial<AdminViews> } = {},
): Promise<Started> {
  const audit = memoryTrail();
  const errors: unknown[] = [];
  const server = createAdminServer({
    bind: { host: "127.0.0.1", port: 0 },
    tokens: [],
    socketPath: "",
    version: "1.0.0",
    audit,
    onError: (error) => errors.push(error),
    ...changes,
    views: { ...VIEWS, ...changes.views },
  });
  t.after(() => server.close());
  const { port } = await server.listen();
  return { port, server, audit, errors };
}

export interface Asked {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** @param to a port, or the path of a socket */
export function ask(to: number | string, path: string, options: RequestOptions & { readonly body?: string } = {}): Promise<Asked> {
  const { body, headers = {}, ...rest } = options;
  const place = typeof to === "number" ? { host: "127.0.0.1", port: to } : { socketPath: to };
  return new Promise((resolve, reject) => {
    const sent = request({ ...place, path, headers, agent: false, ...rest }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** A POST of JSON with a token. */
export function post(
  to: number | string,
  path: string,
  body: unknown,
  token = WRITER,
  headers: Record<string, string> = {},
): Promise<Asked> {
  const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };
  return ask(to, path, {
    method: "POST",
    headers: { "content-type": "application/json", ...authorization, ...headers },
    body: JSON.stringify(body),
  });
}
