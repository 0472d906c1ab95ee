/**
 * What changed between two documents, object by object. Whether an object changed is decided by what it means (the identity
 * that versions are made of); what is shown are fields as they are written, with secrets replaced. So there is a
 * difference exactly when the versions differ, and none in rewordings, comments, or orders that decide nothing.
 */
import type { FieldChange, ObjectChange } from "../engine/model/configuration.js";
import { compareFields, isRewording, isSame, type Seen } from "./diff-fields.js";
import { longestAscending } from "./diff-lists.js";
import { isSecretPath, type LoadedDocument, REDACTED, redactDocument, revealDocument } from "./redact.js";
import type { BlockKind, ListKind, NamedObject } from "./version.js";

const LIST_KINDS: readonly ListKind[] = ["listeners", "routes", "services", "providers.jwt"];
const BLOCK_KINDS: readonly BlockKind[] = ["zone", "limits", "registry", "telemetry", "admin", "workers", "drain"];

/** A document made ready for comparing. */
interface Side {
  readonly document: LoadedDocument;
  readonly revealed: Record<string, unknown>;
  readonly redacted: Record<string, unknown>;
  /** Object, such as `listeners[0]` → path within it → digest of what is not in the document itself. */
  readonly contents: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** In the order of the document's blocks; within a list removed objects first, then the others as they stand afterwards. */
export function diffDocuments(before: LoadedDocument, after: LoadedDocument): ObjectChange[] {
  const sides = [prepare(before), prepare(after)] as const;
  return [
    ...LIST_KINDS.flatMap((kind) => [...diffList(kind, ...sides), ...(kind === "routes" ? movedRoutes(before, after) : [])]),
    ...BLOCK_KINDS.flatMap((kind) => diffBlock(kind, ...sides)),
  ];
}

function prepare(document: LoadedDocument): Side {
  return { document, revealed: revealDocument(document), redacted: redactDocument(document), contents: groupContents(document) };
}

function groupContents({ contents }: LoadedDocument): Map<string, Map<string, string>> {
  const groups = new Map<string, Map<string, string>>();
  for (const [path, digest] of contents) {
    const [, prefix = "", rest = ""] = /^((?:listeners|routes|services|providers\.jwt)\[\d+\]|[^.]+)\.(.*)$/.exec(path) ?? [];
    const group = groups.get(prefix) ?? new Map<string, string>();
    groups.set(prefix, group.set(rest, digest));
  }
  return groups;
}

function diffList(kind: ListKind, before: Side, after: Side): ObjectChange[] {
  const olds = byName(before.document.identity.lists[kind]);
  const news = byName(after.document.identity.lists[kind]);
  const removed = [...olds.keys()].filter((name) => !news.has(name));
  return [
    ...removed.map((name): ObjectChange => ({ kind, name, change: "removed", fields: [] })),
    ...[...news].flatMap(([name, position]): ObjectChange[] => {
      const oldPosition = olds.get(name);
      if (oldPosition === undefined) return [{ kind, name, change: "added", fields: [] }];
      const isEqual = isSame(before.document.identity.lists[kind][oldPosition], after.document.identity.lists[kind][position]);
      if (isEqual) return [];
      const fields = changedFields(objectAt(before, kind, oldPosition), objectAt(after, kind, position));
      return [{ kind, name, change: "changed", fields }];
    }),
  ];
}

/** Name → position. */
function byName(objects: readonly NamedObject[]): Map<string, number> {
  return new Map(objects.map(({ name }, index) => [name, index]));
}

function diffBlock(kind: BlockKind, before: Side, after: Side): ObjectChange[] {
  if (isSame(before.document.identity.blocks[kind], after.document.identity.blocks[kind])) return [];
  return [{ kind, name: "", change: "changed", fields: changedFields(objectAt(before, kind), objectAt(after, kind)) }];
}

interface ObjectView extends Seen {
  /** Where it stands: `routes[3]`, `admin`. */
  readonly prefix: string;
  readonly contents: ReadonlyMap<string, string>;
}

function objectAt({ revealed, redacted, contents }: Side, kind: string, index?: number): ObjectView {
  const pick = (root: unknown): unknown => {
    const block = kind.split(".").reduce((value, key) => (value as Record<string, unknown>)[key], root);
    return index === undefined ? block : (block as readonly unknown[])[index];
  };
  const prefix = index === undefined ? kind : `${kind}[${index}]`;
  return { value: pick(revealed), shown: pick(redacted), prefix, contents: contents.get(prefix) ?? new Map() };
}

function changedFields(before: ObjectView, after: ObjectView): FieldChange[] {
  const all = compareFields(before, after);
  const fields = [...all, ...changedContents(before, after, all)];
  const telling = fields.filter((field) => !isRewording(field));
  return telling.length > 0 ? telling : fields;
}

/** Files that are still named the same and no longer hold the same. */
function changedContents(before: ObjectView, after: ObjectView, fields: readonly FieldChange[]): FieldChange[] {
  return [...after.contents].flatMap(([path, digest]) => {
    const old = before.contents.get(path);
    if (old === undefined || old === digest || fields.some((field) => isWithin(field.path, path) || isWithin(path, field.path))) return [];
    const isSecret = isSecretContent(after.prefix, path);
    return [{ path, before: isSecret ? REDACTED : shortDigest(old), after: isSecret ? REDACTED : shortDigest(digest) }];
  });
}

function isWithin(path: string, outer: string): boolean {
  return path.startsWith(outer) && /^([.[]|$)/.test(path.slice(outer.length));
}

/** Certificates and roots are public. Tokens and key sets may be short enough to be guessed from a digest. */
function isSecretContent(prefix: string, path: string): boolean {
  // `admin` with `tokens[0].token`, `services[3]` with `endpoints.consul.token`: a position may be any.
  const parts = `${prefix}.${path}`.split(/[.[\]]+/).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  return isSecretPath(parts) || path === "jwks";
}

function shortDigest(digest: string): string {
  return `sha256:${digest.slice(0, 16)}`;
}

/** The fewest routes that, put elsewhere, explain why ties are decided differently. */
function movedRoutes(before: LoadedDocument, after: LoadedDocument): ObjectChange[] {
  const olds = byName(before.identity.lists.routes);
  const news = byName(after.identity.lists.routes);
  const moved = new Set<string>();
  for (const [contest, names] of Object.entries(after.identity.routeOrder)) {
    const ranks = new Map((before.identity.routeOrder[contest] ?? []).map((name, index) => [name, index]));
    const common = names.filter((name) => ranks.has(name));
    const stays = longestAscending(common.map((name) => ranks.get(name) as number));
    common.forEach((name, index) => {
      if (!stays.has(index)) moved.add(name);
    });
  }
  return [...news].flatMap(([name, position]): ObjectChange[] => {
    if (!moved.has(name)) return [];
    const field = { path: "position", before: (olds.get(name) ?? 0) + 1, after: position + 1 };
    return [{ kind: "routes", name, change: "moved", fields: [field] }];
  });
}
