/**
 * What may be shown of a configuration: everything but secrets. Whenever configuration leaves the process, for a
 * terminal, a log or the admin API, it passes through here.
 */
import type { ConfigText } from "../engine/model/configuration.js";
import type { DocumentPath } from "./problems.js";
import type { CompleteDocument } from "./schema/document.js";
import { defaultsOf, filterOf } from "./schema/filters.js";
import { nodeAt, type Tree, toPlain } from "./tree.js";
import type { DocumentIdentity } from "./version.js";

export const REDACTED = "[redacted]";

/** A valid document together with what its values looked like when they were written. */
export interface LoadedDocument {
  readonly effective: CompleteDocument;
  readonly tree: Tree;
  /** Absolute paths of the files it was made of and points to. */
  readonly files: readonly string[];
  /** The document itself, as written. May hold secrets. */
  readonly texts: readonly ConfigText[];
  /** What its version was made of. Secret. */
  readonly identity: DocumentIdentity;
  /** Path → digest of the file, the token or the key set that it stands for. Not to be shown: short secrets can be guessed. */
  readonly contents: ReadonlyMap<string, string>;
}

type Match = CompleteDocument["routes"][number]["match"][number];

/** Fields that are secret wherever their value comes from. */
const SECRET_PATHS: readonly (readonly (string | number)[])[] = [
  ["admin", "token"],
  ["admin", "tokens", 0, "token"],
  ["registry", "redis", "url"],
  ["registry", "tokens", 0, "token"],
  ["services", 0, "endpoints", "consul", "token"],
  ["services", 0, "endpoints", "nacos", "password"],
  ["services", 0, "endpoints", "nacos", "accessToken"],
  ["services", 0, "endpoints", "etcd", "password"],
  ["services", 0, "endpoints", "zookeeper", "password"],
  ["services", 0, "endpoints", "kubernetes", "token"],
  ["providers", "jwt", 0, "jwks", "inline", "keys"],
];

/** Header fields whose values let their bearer in. */
export const SECRET_HEADERS = /^(authorization|proxy-authorization|cookie|set-cookie|.*(api-?key|token|secret|password).*)$/i;

/** JWK members that are secret or private (RFC 7518 §6). */
const SECRET_MEMBERS: ReadonlySet<string> = new Set(["k", "d", "p", "q", "dp", "dq", "qi", "oth"]);

export function isSecretPath(path: DocumentPath): boolean {
  return SECRET_PATHS.some(
    (secret) =>
      path.length >= secret.length &&
      secret.every((part, i) => part === path[i] || (typeof part === "number" && typeof path[i] === "number")),
  );
}

/** The effective configuration, defaults filled in, every secret replaced; plain data, safe to print. */
export function redactDocument(document: LoadedDocument): Record<string, unknown> {
  const { effective } = document;
  return {
    ...writtenDocument(document, (tree) => redactTree(tree, false)),
    services: withoutSecrets(effective.services, ["services"]),
    providers: { ...effective.providers, jwt: effective.providers.jwt.map(redactProvider) },
    admin: redactAdmin(effective.admin),
    ...(effective.registry === undefined ? {} : { registry: redactRegistry(effective.registry) }),
  };
}

/** The same with nothing replaced: for comparing, never for showing. */
export function revealDocument(document: LoadedDocument): Record<string, unknown> {
  return writtenDocument(document, toPlain);
}

/** Filters and matches are shown as they were written, and not as their schemas transformed them. */
function writtenDocument({ effective, tree }: LoadedDocument, show: (tree: Tree) => unknown): Record<string, unknown> {
  const routes = effective.routes.map((route, index) => ({
    ...route,
    match: route.match.map((match, position) => showMatch(match, nodeAt(tree, ["routes", index, "match", position]), show)),
    filters: route.filters.map((entry, position) => showFilter(entry, nodeAt(tree, ["routes", index, "filters", position]), show)),
  }));
  return { ...effective, routes };
}

function showMatch(match: Match, tree: Tree | null, show: (tree: Tree) => unknown): Match {
  const written = (key: "headers" | "queryParams") => {
    const node = tree === null ? null : nodeAt(tree, [key]);
    return node === null ? match[key] : (show(node) as Match["headers"]);
  };
  return { ...match, headers: written("headers"), queryParams: written("queryParams") };
}

function showFilter(entry: object, tree: Tree | null, show: (tree: Tree) => unknown): unknown {
  const filter = filterOf(entry);
  const node = filter === null || tree === null ? null : nodeAt(tree, [filter.type]);
  return filter === null || node === null ? {} : { [filter.type]: { ...defaultsOf(filter.type), ...(show(node) as object) } };
}

/** The value at a path of the document, without what is secret below it. */
function withoutSecrets(value: unknown, path: DocumentPath): unknown {
  if (isSecretPath(path)) return REDACTED;
  if (Array.isArray(value)) return value.map((item, index) => withoutSecrets(item, [...path, index]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item, [...path, key])]));
}

function redactAdmin(admin: CompleteDocument["admin"]): unknown {
  const tokens = admin.tokens.map((entry) => ({ ...entry, token: REDACTED }));
  return { ...admin, ...(admin.token === undefined ? {} : { token: REDACTED }), tokens };
}

function redactRegistry(registry: NonNullable<CompleteDocument["registry"]>): unknown {
  const redis = registry.redis && { redis: { ...registry.redis, url: REDACTED } };
  return { ...registry, ...redis, tokens: registry.tokens.map((entry) => ({ ...entry, token: REDACTED })) };
}

function redactProvider(provider: CompleteDocument["providers"]["jwt"][number]): unknown {
  const inline = provider.jwks.inline;
  if (inline === undefined) return provider;
  const keys = inline.keys.map((key) =>
    Object.fromEntries(Object.entries(key).map(([member, value]) => [member, SECRET_MEMBERS.has(member) ? REDACTED : value])),
  );
  return { ...provider, jwks: { ...provider.jwks, inline: { keys } } };
}

/** Values that came from a variable are secrets until proven otherwise; so are the well-known secret header fields. */
function redactTree(tree: Tree, isSecret: boolean): unknown {
  if (tree.kind === "scalar") return tree.written !== null || (isSecret && tree.value !== null) ? REDACTED : tree.value;
  if (tree.kind === "list") return tree.items.map((item) => redactTree(item, isSecret));
  const nameNode = tree.entries.get("name")?.value;
  const isSecretField = nameNode?.kind === "scalar" && SECRET_HEADERS.test(String(nameNode.value));
  const entries = [...tree.entries].map(([key, { value }]) => {
    const isSecretValue = value.kind === "scalar" && (SECRET_HEADERS.test(key) || (isSecretField && key === "value"));
    return [key, redactTree(value, isSecret || isSecretValue)];
  });
  return Object.fromEntries(entries);
}
