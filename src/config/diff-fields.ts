/**
 * What two values of one object do not agree on, field by field. Every value comes twice: as it is, which decides, and as
 * it may be seen, which is shown. So a changed secret is reported, and stays one.
 */
import type { FieldChange } from "../engine/model/configuration.js";
import { parseDuration, parseSize } from "../engine/model/units.js";
import { alignLists } from "./diff-lists.js";
import { type DocumentPath, formatPath } from "./problems.js";

export interface Seen {
  readonly value: unknown;
  readonly shown: unknown;
}

const NOTHING: Seen = { value: undefined, shown: undefined };

export function compareFields(before: Seen, after: Seen, path: DocumentPath = []): FieldChange[] {
  if (isSame(before.value, after.value)) return [];
  if (Array.isArray(before.value) && Array.isArray(after.value)) return compareLists(before, after, path);
  if (isMap(before.value) && isMap(after.value) && isMap(before.shown) && isMap(after.shown)) return compareMaps(before, after, path);
  return [{ path: formatPath(path), before: before.shown ?? null, after: after.shown ?? null }];
}

function compareMaps(before: Seen, after: Seen, path: DocumentPath): FieldChange[] {
  const keys = new Set([...Object.keys(before.value as object), ...Object.keys(after.value as object)]);
  return [...keys].flatMap((key) => compareFields(memberOf(before, key), memberOf(after, key), [...path, key]));
}

/** Paths of what was removed count in the list before, all others in the list after. */
function compareLists(before: Seen, after: Seen, path: DocumentPath): FieldChange[] {
  const { kept, removed, added } = alignLists(before.value as readonly unknown[], after.value as readonly unknown[]);
  return [
    ...removed.flatMap((index) => compareFields(itemOf(before, index), NOTHING, [...path, index])),
    ...kept.flatMap(([from, to]) => compareFields(itemOf(before, from), itemOf(after, to), [...path, to])),
    ...added.flatMap((index) => compareFields(NOTHING, itemOf(after, index), [...path, index])),
  ];
}

function memberOf({ value, shown }: Seen, key: string): Seen {
  return { value: ownMember(value, key), shown: ownMember(shown, key) };
}

function ownMember(map: unknown, key: string): unknown {
  return Object.hasOwn(map as object, key) ? (map as Record<string, unknown>)[key] : undefined;
}

/** A list that is secret as a whole is shown as one value. */
function itemOf({ value, shown }: Seen, index: number): Seen {
  return { value: (value as readonly unknown[])[index], shown: Array.isArray(shown) ? shown[index] : shown };
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As JSON would be the same, whatever the order of keys; undefined is nothing. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => isSame(ownMember(a, key), ownMember(b, key)));
}

/** `60s` and `1m`, `1024B` and `1KiB`: written anew, but hardly changed. */
export function isRewording({ before, after }: FieldChange): boolean {
  if (typeof before !== "string" || typeof after !== "string") return false;
  for (const parse of [parseDuration, parseSize]) {
    const number = parse(before);
    if (number !== null && number === parse(after)) return true;
  }
  return false;
}
