/**
 * What goes over the wire, as schemas: they check what comes in, describe everything in the OpenAPI document, and tests hold
 * what goes out to them. `satisfies` ties them to the types of views.ts.
 */
import { z } from "zod";
import type { ConfigProblem, ConfigText, ConfigVersion, ObjectChange, StoredVersion } from "../engine/model/configuration.js";
import type { RequestDescription } from "../engine/model/explanation.js";
import type { AuditEntry } from "./audit.js";
import type * as views from "./views.js";

const time = () => z.iso.datetime().describe("ISO 8601, UTC.");
const version = () => z.string().describe("Of a configuration: a digest of what it says.");
const share = () => z.number().min(0).max(1);
const count = () => z.int().min(0);
const result = <Name extends string>(name: Name) => z.literal(name);
const changeSource = z.enum(["boot", "fallback", "file", "signal", "admin", "rollback", "guard"]);

// ── Configurations ───────────────────────────────────────────────────────────────────────────────────────────────

const MAX_TEXTS = 1000;
const MAX_NOTE = 1000;

export const configProblem = z
  .strictObject({
    file: z.string(),
    line: count().describe("From 1; 0 when it is about the file itself."),
    column: count(),
    path: z.string().describe('Within the document; "" for all of it.'),
    message: z.string(),
    hint: z.string().exactOptional(),
    severity: z.enum(["error", "warning"]),
  })
  .describe("What is wrong with a document, or may be.") satisfies z.ZodType<ConfigProblem>;

const warnings = z.array(configProblem);

/** Names appear in problems, and the gateway resolves them against its own folder: never out of it. */
const textName = z
  .string()
  .max(255)
  .regex(
    /^(?![./])(?!.*\/(?:\.|\/|$))[^\0-\x1f\x7f\\]+\.ya?ml$/,
    "must be a relative path that ends in .yaml or .yml, without . or .. in it",
  );

export const configText = z
  .strictObject({ name: textName.describe("Relative to the folder of the configuration."), text: z.string() })
  .describe("One file of a document; several are merged in the order of their names.") satisfies z.ZodType<ConfigText>;

const texts = z
  .array(configText)
  .min(1)
  .max(MAX_TEXTS)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "two texts have the same name");
/** Terminals obey control characters; lines and tabs are harmless. */
const note = z
  .string()
  .max(MAX_NOTE)
  .regex(/^(?:[\t\n\r]|\P{Cc})*$/u, "must not hold control characters")
  .default("")
  .describe("Remembered with the version and in the audit log.");

const versionFields = {
  version: version(),
  sequence: count().describe("Grows with every acceptance."),
  acceptedAt: time(),
  source: changeSource,
  author: z.string(),
  note: z.string(),
  path: z.string().describe("What the document was read from."),
};

export const configVersion = z.strictObject(versionFields) satisfies z.ZodType<ConfigVersion>;

/** Names that were accepted from disk need not be such as come in. */
export const storedVersion = z
  .strictObject({ ...versionFields, texts: z.array(z.strictObject({ name: z.string(), text: z.string() })) })
  .describe("With the texts, which may hold secrets.") satisfies z.ZodType<StoredVersion>;

export const versionList = z.strictObject({
  served: version(),
  versions: z.array(configVersion).describe("Newest first."),
});

export const objectChange = z
  .strictObject({
    kind: z.string().describe("The block of the document: routes, services, listeners, providers.jwt, admin…"),
    name: z.string(),
    change: z.enum(["added", "removed", "changed", "moved"]),
    fields: z.array(z.strictObject({ path: z.string(), before: z.unknown(), after: z.unknown() })),
  })
  .describe("One object that two versions do not agree on; secrets are not shown.") satisfies z.ZodType<ObjectChange>;

const changes = z.array(objectChange);

export const diff = z.strictObject({ result: result("compared"), from: version(), to: version(), changes });

// ── Changing what is served ──────────────────────────────────────────────────────────────────────────────────────

const applied = z.strictObject({
  result: result("applied"),
  version: version(),
  previous: version(),
  hasRolled: z.boolean().describe("Workers were replaced, because something changed that cannot change in place."),
  durationMs: z.number().min(0),
  changes,
  warnings,
});
const unchanged = z.strictObject({ result: result("unchanged"), version: version(), warnings });
const rejected = z.strictObject({ result: result("rejected"), problems: z.array(configProblem) });
const failed = z.strictObject({ result: result("failed"), message: z.string() });
const planned = z.strictObject({
  result: result("planned"),
  version: version(),
  previous: version(),
  needsRoll: z.boolean().describe("Workers would be replaced."),
  changes,
  warnings,
});

export const changeDone = z.discriminatedUnion("result", [applied, unchanged]);
export const applyDone = z.discriminatedUnion("result", [applied, unchanged, planned]);
const applyOutcome = z.discriminatedUnion("result", [applied, unchanged, rejected, failed]);

const MAX_GUARD_MS = 86_400_000;

export const reloadBody = z.strictObject({}).default({});
export const applyBody = z.strictObject({
  texts,
  note,
  guard: z
    .strictObject({
      durationMs: z.int().min(1000).max(MAX_GUARD_MS),
      maxErrorRate: share().describe("By how much the share of requests that fail on a changed route may grow."),
    })
    .nullable()
    .default(null)
    .describe("Watch the changed routes for a while, and roll back when they get worse."),
  isDryRun: z.boolean().default(false).describe("Say what would change, and change nothing."),
});
export const rollbackBody = z.strictObject({
  version: z
    .string()
    .regex(/^#?[A-Za-z0-9._~-]{1,64}$/)
    .describe("A version, a unique beginning of one, a sequence (12 or #12), latest, or latest~1 for the one before it."),
  note,
});
export const checkBody = z.strictObject({ texts });
export const checkDone = z.strictObject({ result: result("good"), version: version(), warnings });

const disk = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("same") }),
  z.strictObject({ state: z.literal("differs"), version: version(), reason: z.string() }),
  z.strictObject({ state: z.literal("broken"), reason: z.string(), problems: z.array(configProblem) }),
]) satisfies z.ZodType<views.DiskView>;

export const configStatus = z.strictObject({
  version: version(),
  sequence: count(),
  since: time(),
  source: changeSource,
  author: z.string(),
  note: z.string(),
  path: z.string(),
  disk: disk.describe("How what is on disk compares with what is served."),
  lastReload: z.strictObject({ at: time(), trigger: changeSource, author: z.string(), outcome: applyOutcome }).nullable(),
}) satisfies z.ZodType<views.ConfigStatusView>;

const guarded = {
  version: version(),
  previous: version(),
  maxErrorRate: share(),
  routes: z.array(z.strictObject({ name: z.string(), requests: count(), errorRate: share(), baselineErrorRate: share().nullable() })),
};
const decidedAt = time();

export const guard = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("idle") }),
  z.strictObject({ state: z.literal("watching"), endsAt: time(), ...guarded }),
  z.strictObject({ state: z.literal("kept"), decidedAt, ...guarded }),
  z.strictObject({ state: z.literal("rolledBack"), decidedAt, reason: z.string(), failure: z.string().nullable(), ...guarded }),
  z.strictObject({ state: z.literal("superseded"), decidedAt, reason: z.string(), ...guarded }),
]) satisfies z.ZodType<views.GuardView>;

// ── Explain ──────────────────────────────────────────────────────────────────────────────────────────────────────

const MAX_FIELDS = 200;

export const explainBody = z.strictObject({
  request: z.string().min(1).max(16_384).describe("GET https://api.example.com/orders/1?page=2; without a method it is GET."),
  headers: z
    .array(z.tuple([z.string().max(256), z.string().max(16_384)]))
    .max(MAX_FIELDS)
    .exactOptional(),
  jwt: z.string().max(16_384).exactOptional().describe("A token, given to the route's jwt filters where they look for one. Secret."),
  identity: z.string().max(2048).exactOptional().describe("Name in the client's certificate: a SPIFFE ID or a DNS name."),
  address: z.string().max(64).exactOptional().describe("IP address of the client."),
  listener: z.string().max(63).exactOptional().describe("By default the first that takes such a request."),
}) satisfies z.ZodType<RequestDescription>;
export const explainDone = z.strictObject({ result: result("explained"), explanation: z.looseObject({ version: version() }) });

const MAX_EXPLAIN_MS = 3_600_000;

export const explainTokenBody = z.strictObject({ ttlMs: z.int().min(1000).max(MAX_EXPLAIN_MS).default(300_000) }).prefault({});
export const explainToken = z.strictObject({
  token: z.string().describe("Secret, for the x-windrose-explain field."),
  expiresAt: time(),
}) satisfies z.ZodType<views.ExplainTokenView>;

// ── Status ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const upgradeBody = z.strictObject({}).default({});
export const upgradeDone = z.strictObject({ result: result("started"), pid: z.int() });

export const health = z.strictObject({ status: z.enum(["ok", "unavailable"]), reasons: z.array(z.string()) });

export const info = z.strictObject({
  version: z.string().describe("Of Windrose."),
  startedAt: time(),
  snapshotVersion: version(),
  workers: z.array(
    z.strictObject({ id: z.int(), pid: z.int(), state: z.string(), snapshotVersion: z.string().describe("Acknowledged by the worker.") }),
  ),
  workerRestarts: count().describe("Workers started again after they ended unexpectedly."),
  listeners: z.array(z.strictObject({ name: z.string(), direction: z.string(), protocol: z.string(), host: z.string(), port: count() })),
}) satisfies z.ZodType<views.InfoView>;

const MAX_WEIGHT = 1_000_000;
const MAX_OVERRIDE_MS = 366 * 86_400_000;

export const overrideBody = z
  .strictObject({
    weight: z.int().min(0).max(MAX_WEIGHT).nullable().default(null).describe("null: what the source says. 0 takes no traffic."),
    isDraining: z.boolean().default(false).describe("It takes no new requests while others can; those under way finish."),
    note,
    ttlMs: z.int().min(1000).max(MAX_OVERRIDE_MS).nullable().default(null).describe("For how long; null: until it is taken back."),
    weightUntil: time().nullable().exactOptional().describe("When the weight is over, instead of ttlMs; null: when it is taken back."),
    drainingUntil: time().nullable().exactOptional().describe("When the draining is over, instead of ttlMs; null: when it is taken back."),
  })
  .refine(({ weight, isDraining }) => weight !== null || isDraining, "says neither weight nor isDraining; DELETE takes an override back");

const circuit = () => z.enum(["closed", "halfOpen", "open"]);

const overrideView = z.strictObject({
  service: z.string(),
  address: z.string().describe("host:port."),
  weight: count().nullable().describe("null: what the source says."),
  isDraining: z.boolean(),
  note: z.string(),
  author: z.string(),
  setAt: time(),
  weightUntil: time().nullable().describe("When the weight is over; null: never, or there is none."),
  drainingUntil: time().nullable().describe("When the draining is over; null: never, or it is not drained."),
  isPresent: z.boolean().describe("The service has this endpoint now."),
}) satisfies z.ZodType<views.OverrideView>;

export const overrideList = z.strictObject({ overrides: z.array(overrideView) });
export const overrideDone = z.strictObject({
  result: result("set"),
  isKept: z.boolean().describe("It is on disk, and outlives this process."),
  override: overrideView,
});
export const restoreDone = z.strictObject({
  result: result("restored"),
  isKept: z.boolean().describe("The disk knows; else the override is back with the next process."),
  service: z.string(),
  address: z.string(),
});

const endpointView = z.strictObject({
  address: z.string().describe("host:port."),
  weight: count().describe("In use."),
  zone: z.string(),
  priority: count(),
  labels: z
    .record(z.string(), z.string())
    .describe("What subsets choose by; version and identity of instances of the registry among them."),
  state: z.enum(["healthy", "unhealthy", "ejected", "draining"]),
  reasons: z.array(z.string()).describe("For its state, and for what may follow."),
  override: overrideView.nullable().describe("What an operator has said of it; null: nothing."),
  inFlight: count().describe("Attempts under way, in all workers."),
  circuit: circuit().describe("Its own; the worst of the workers."),
  ejectedBy: count().describe("Workers that have ejected it."),
  ejectedForMs: count().describe("The longest of what is left of these ejections."),
  workers: count().describe("Workers that have answered."),
  checks: z
    .array(z.strictObject({ at: time(), durationMs: count(), isPassed: z.boolean(), text: z.string() }))
    .describe("The last active checks, newest first."),
}) satisfies z.ZodType<views.EndpointView>;

export const services = z.strictObject({
  services: z.array(
    z.strictObject({
      name: z.string(),
      protocol: z.string(),
      algorithm: z.string(),
      healthCheck: z.string().nullable().describe("Kind of its active checks; null: it has none."),
      reasons: z.array(z.string()).describe("Of the service as a whole, such as an open circuit."),
      isPanicking: z.boolean().describe("A worker asks all endpoints because too few are well."),
      circuit: circuit().describe("Of the service as a whole; the worst of the workers."),
      endpoints: z.array(endpointView),
    }) satisfies z.ZodType<views.ServiceView>,
  ),
});

export const sourceList = z.strictObject({
  sources: z.array(
    z.strictObject({
      service: z.string(),
      type: z.string(),
      source: z.string().describe("Kind and place."),
      status: z
        .enum(["waiting", "ready", "stale"])
        .describe("waiting: nothing found yet. stale: it fails, and what was found before is in use."),
      endpoints: count().describe("In use."),
      version: count().describe("Grows with every change; 0: nothing found yet."),
      ageSeconds: count().nullable().describe("Since the endpoints in use were confirmed; null: never."),
      confirmedAt: time().nullable(),
      changedAt: time().nullable(),
      nextTryAt: time().nullable().describe("null: when it is told of a change."),
      failures: count().describe("Looks that failed since the source was configured."),
      lastError: z.string().describe('"" when the last look succeeded.'),
      note: z.string().describe('What was left out because it cannot be used, and which servers were passed over; "": nothing.'),
    }) satisfies z.ZodType<views.SourceView>,
  ),
});

export const auditEntry = z.strictObject({
  at: time(),
  caller: z.string().describe("A token's name, socket, or anonymous; empty when the token was none of ours."),
  remote: z.string(),
  method: z.string(),
  path: z.string(),
  operation: z.string(),
  note: z.string(),
  outcome: z.string(),
  status: z.int(),
  versionBefore: z.string(),
  versionAfter: z.string(),
  durationMs: count(),
}) satisfies z.ZodType<AuditEntry>;

export const auditQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export const auditList = z.strictObject({ entries: z.array(auditEntry).describe("Newest first.") });

export const apiProblem = z
  .looseObject({
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    result: z.string().optional().describe("Of orders: busy, rejected, failed, notFound, invalid, unsupported."),
    problems: z.array(configProblem).optional().describe("Of a rejected configuration."),
  })
  .describe("RFC 9457.");

export const anyJson = z.looseObject({});
