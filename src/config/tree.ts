/**
 * The document as a tree that remembers where every key and value was written. Later steps work on plain values and
 * come back here to turn a path into file, line and column.
 */
import type { DocumentPath, Problem, ProblemSeverity } from "./problems.js";
import { formatPath } from "./problems.js";
import type { SourceFile } from "./source.js";

export type Scalar = string | number | boolean | null;

export interface ScalarTree {
  readonly kind: "scalar";
  readonly file: SourceFile;
  readonly offset: number;
  value: Scalar;
  /** What was written, when `${…}` changed it; null otherwise. Shown instead of the value, which may be a secret. */
  readonly written: string | null;
}

export interface ListTree {
  readonly kind: "list";
  readonly file: SourceFile;
  readonly offset: number;
  readonly items: Tree[];
}

export interface MapEntry {
  readonly keyFile: SourceFile;
  readonly keyOffset: number;
  readonly value: Tree;
}

export interface MapTree {
  readonly kind: "map";
  readonly file: SourceFile;
  readonly offset: number;
  readonly entries: Map<string, MapEntry>;
}

export type Tree = ScalarTree | ListTree | MapTree;

/** Where a problem points: a node, or a key. */
export interface Place {
  readonly file: SourceFile;
  readonly offset: number;
}

export function toPlain(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "list") return tree.items.map(toPlain);
  const plain: Record<string, unknown> = {};
  for (const [key, entry] of tree.entries) plain[key] = toPlain(entry.value);
  return plain;
}

export function nodeAt(tree: Tree, path: DocumentPath): Tree | null {
  let node: Tree | undefined = tree;
  for (const part of path) {
    node = childOf(node, part);
    if (node === undefined) return null;
  }
  return node;
}

function childOf(tree: Tree, part: string | number): Tree | undefined {
  if (tree.kind === "list") return typeof part === "number" ? tree.items[part] : undefined;
  if (tree.kind === "map") return tree.entries.get(String(part))?.value;
  return undefined;
}

/** The value at `path`, or the nearest thing around it that exists. */
export function placeOf(tree: Tree, path: DocumentPath): Place {
  let node = tree;
  for (const part of path) {
    const child = childOf(node, part);
    if (child === undefined) return node;
    node = child;
  }
  return node;
}

/** The key itself, for problems with a key and not its value. */
export function placeOfKey(tree: Tree, parent: DocumentPath, key: string): Place {
  const node = nodeAt(tree, parent);
  const entry = node?.kind === "map" ? node.entries.get(key) : undefined;
  return entry === undefined ? placeOf(tree, parent) : { file: entry.keyFile, offset: entry.keyOffset };
}

export function problemAt(place: Place, path: DocumentPath, message: string, hint?: string, severity: ProblemSeverity = "error"): Problem {
  const { line, col } = place.file.lines.linePos(place.offset);
  const located = { file: place.file.name, line, column: col, path: formatPath(path), message, severity };
  return hint === undefined ? located : { ...located, hint };
}

/** `file:line`, to point from one problem to another place. */
export function describePlace(place: Place): string {
  return `${place.file.name}:${place.file.lines.linePos(place.offset).line}`;
}
