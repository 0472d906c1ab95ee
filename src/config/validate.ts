/**
 * Plain values → validated document, or every disagreement with the schema as a located problem. Also keeps the valid
 * parts of an invalid document, so that the checks after this one can report their problems in the same run.
 */
import { z } from "zod";
import { didYouMean } from "./hints.js";
import type { DocumentPath, Problem } from "./problems.js";
import { isSecretPath } from "./redact.js";
import { documentSchema, type WrittenDocument } from "./schema/document.js";
import { filterEntrySchema } from "./schema/filters.js";
import { isPlannedKey, isPlannedValue } from "./schema/not-yet.js";
import { nodeAt, placeOf, placeOfKey, problemAt, type ScalarTree, type Tree, toPlain } from "./tree.js";

/** What is left of a value when its invalid parts are taken out; undefined: not written, or not valid. */
export type Draft<T> = T extends readonly (infer Item)[]
  ? readonly (Draft<Item> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Draft<T[Key]> | undefined }
    : T;

export type Validation =
  | { readonly ok: true; readonly document: WrittenDocument }
  | { readonly ok: false; readonly draft: Draft<WrittenDocument>; readonly problems: readonly Problem[] };

type Issue = z.core.$ZodIssue;

export function validate(tree: Tree): Validation {
  const checked = checkAgainst(tree, documentSchema);
  if (checked.ok) return { ok: true, document: checked.value };
  return { ok: false, draft: salvage(documentSchema, toPlain(tree)) as Draft<WrittenDocument>, problems: checked.problems };
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] };

/** For every kind of file that is written by people: what the schema makes of it, or located problems. */
export function checkAgainst<Schema extends z.ZodType>(tree: Tree, schema: Schema): Checked<z.output<Schema>> {
  let result = schema.safeParse(toPlain(tree), { error: describe });
  if (!result.success && convertSubstituted(tree, result.error.issues)) result = schema.safeParse(toPlain(tree), { error: describe });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, problems: result.error.issues.flatMap((issue) => problemsOf(issue, tree)) };
}

/** `workers: ${WORKERS}` is text; where the schema wants a number or a boolean, it becomes one. */
function convertSubstituted(tree: Tree, issues: readonly Issue[]): boolean {
  let isChanged = false;
  for (const issue of issues) {
    const node = nodeAt(tree, issue.path as DocumentPath);
    if (node?.kind !== "scalar" || node.written === null || typeof node.value !== "string") continue;
    const value = numberOrBoolean(node.value);
    if (value === null) continue;
    node.value = value;
    isChanged = true;
  }
  return isChanged;
}

function numberOrBoolean(text: string): number | boolean | null {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : null;
}

/** Zod asks this for every issue whose schema has no message of its own. Two lines: message, hint. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") return describeType(issue.expected, issue.input);
  if (issue.code === "invalid_value") return describeChoice(issue.values.map(String), issue.input);
  if (issue.code === "invalid_union" && issue.options !== undefined)
    return describeChoice((issue.options as unknown[]).map(String), issue.input);
  if (issue.code === "unrecognized_keys") return knownKeys(issue.inst).join(" ");
  if (issue.code === "invalid_key") return (issue.issues[0]?.message ?? "is not a good name").replaceAll("{value}", "this name");
  if (issue.code === "too_small")
    return issue.origin === "number" || issue.origin === "int" ? `must be at least ${issue.minimum}` : "must not be empty";
  if (issue.code === "too_big")
    return issue.origin === "number" || issue.origin === "int" ? `must be at most ${issue.maximum}` : "is too long";
  return undefined;
}

function describeChoice(choices: readonly string[], input: unknown): string {
  if (input === undefined) return `is missing: ${choices.join(" or ")}`;
  const hint = typeof input === "string" ? didYouMean(input, choices) : undefined;
  return `{value} is not ${choices.length > 1 ? "one of " : ""}${choices.join(", ")}\n${hint ?? ""}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

function describeType(expected: string, input: unknown): string {
  const wanted = TYPE_NAMES[expected] ?? expected;
  if (input === undefined) return `is missing: ${wanted} is required`;
  if (input === null) return `has no value: expected ${wanted}`;
  const actual = Array.isArray(input) ? "a list" : (TYPE_NAMES[typeof input] ?? typeof input);
  const isQuotable = expected === "string" && (typeof input === "number" || typeof input === "boolean");
  if (expected === "int" && typeof input === "number") return "must be a whole number";
  const hint = isQuotable ? "quote it" : expected === "array" ? "write it in brackets, or as lines that begin with a dash" : "";
  return `expected ${wanted}, got ${actual}\n${hint}`;
}

function knownKeys(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function problemsOf(issue: Issue, tree: Tree): Problem[] {
  const path = issue.path as DocumentPath;
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(tree, path, key, issue.message));
  const node = nodeAt(tree, path);
  // A variable that is not set has been reported already.
  if (node?.kind === "scalar" && node.written !== null && node.value === null) return [];
  if (issue.code === "invalid_union") return unionProblems(issue, tree);
  const planned = node?.kind === "scalar" && isPlannedValue(path, node.value) && issue.code === "invalid_value";
  if (planned) return [problemAt(node, path, `${show(node, path)} is not available yet in this version`)];
  const [message = "", hint = ""] = issue.message.split("\n");
  const ownHint = issue.code === "custom" ? (issue.params?.["hint"] as string | undefined) : undefined;
  return [schemaProblem(tree, path, message, ownHint ?? hint)];
}

function unknownKey(tree: Tree, path: DocumentPath, key: string, known: string): Problem {
  const place = placeOfKey(tree, path, key);
  const full = [...path, key];
  if (isPlannedKey(path, key)) return problemAt(place, full, "is not available yet in this version");
  const candidates = known.split(" ").filter((candidate) => candidate !== "");
  const fallback = candidates.length > 0 && candidates.length <= 8 ? `known here: ${candidates.join(", ")}` : undefined;
  return problemAt(place, full, "is not a known key", didYouMean(key, candidates) ?? fallback);
}

/** Reports the alternative that was meant: the one whose type fits the value. */
function unionProblems(issue: Extract<Issue, { code: "invalid_union" }>, tree: Tree): Problem[] {
  const path = issue.path as DocumentPath;
  if (issue.errors.length === 0) return problemsOf({ ...issue, code: "custom" } as Issue, tree);
  const fitting = issue.errors.find((errors) => !errors.some((error) => error.path.length === 0 && wantedBy(error) !== ""));
  const chosen = fitting ?? issue.errors[0] ?? [];
  if (fitting === undefined && nodeAt(tree, path) !== null) {
    const wanted = new Set(
      issue.errors
        .flat()
        .map(wantedBy)
        .filter((text) => text !== ""),
    );
    return [schemaProblem(tree, path, `expected ${[...wanted].join(" or ")}`, "")];
  }
  return chosen.flatMap((error) => problemsOf({ ...error, path: [...issue.path, ...error.path] } as Issue, tree));
}

/** What an alternative wants in the value's place; "" when the kind of value is right and something in it is wrong. */
function wantedBy(issue: Issue): string {
  if (issue.path.length > 0) return "";
  if (issue.code === "invalid_type") return TYPE_NAMES[issue.expected] ?? "";
  return issue.code === "invalid_value" ? issue.values.map(String).join(" or ") : "";
}

function schemaProblem(tree: Tree, path: DocumentPath, message: string, hint: string): Problem {
  const node = nodeAt(tree, path);
  const place = node ?? placeOf(tree, path);
  if (node?.kind !== "scalar") return problemAt(place, path, message.replaceAll("{value}", "it"), hint === "" ? undefined : hint);
  // A hint may repeat the value in another spelling, so a value that must not be shown gets none.
  const isHidden = isHiddenValue(node, path);
  const text = message.replaceAll("{value}", () => show(node, path));
  const hints = hint === "" || isHidden ? undefined : hint;
  return problemAt(place, path, isHidden ? withoutValue(text, node) : text, hints);
}

function isHiddenValue(node: ScalarTree, path: DocumentPath): boolean {
  return node.written !== null || isSecretPath(path);
}

/** The value as a problem may show it: as written in the document, never what a variable held. */
export function show(node: ScalarTree, path: DocumentPath): string {
  if (isSecretPath(path)) return "the value";
  const shown = node.written ?? node.value;
  const text = typeof shown === "string" && shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
  return JSON.stringify(text);
}

/** A filter's own message may quote the value it was given. */
function withoutValue(message: string, node: ScalarTree): string {
  const value = String(node.value);
  return value.length >= 4 ? message.replaceAll(value, () => node.written ?? "…") : message;
}

/** Filters have rules across their fields: half a filter's settings are worth nothing. */
const WHOLE: ReadonlySet<unknown> = new Set(Object.values(filterEntrySchema.shape).map((schema) => unwrap(schema)));

function salvage(schema: z.core.$ZodType, value: unknown): unknown {
  const inner = unwrap(schema);
  if (value !== undefined && !WHOLE.has(inner)) {
    if (inner instanceof z.ZodObject && isRecord(value)) {
      return Object.fromEntries(Object.entries(inner.shape).map(([key, field]) => [key, salvage(field as z.core.$ZodType, value[key])]));
    }
    if (inner instanceof z.ZodArray && Array.isArray(value)) return value.map((item) => salvage(inner.element, item));
  }
  const result = z.safeParse(schema, value);
  return result.success ? result.data : undefined;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return unwrap(schema.def.innerType);
  }
  return schema;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
