/**
 * One document from the files of a directory: maps merge key by key, lists concatenate in file order, and two scalars
 * for the same key must be equal.
 */
import type { DocumentPath, Problem } from "./problems.js";
import { describePlace, type MapTree, problemAt, type Tree } from "./tree.js";

export interface MergeResult {
  readonly tree: Tree;
  readonly problems: readonly Problem[];
}

/** `trees` in name order, at least one. */
export function mergeTrees(trees: readonly [Tree, ...Tree[]]): MergeResult {
  const problems: Problem[] = [];
  const tree = trees.slice(1).reduce((merged, next) => mergeTwo(merged, next, [], problems), trees[0]);
  return { tree, problems };
}

function mergeTwo(first: Tree, second: Tree, path: DocumentPath, problems: Problem[]): Tree {
  if (first.kind === "map" && second.kind === "map") return mergeMaps(first, second, path, problems);
  if (first.kind === "list" && second.kind === "list") return { ...first, items: [...first.items, ...second.items] };
  if (first.kind === "scalar" && second.kind === "scalar" && first.value === second.value) return first;
  const what = first.kind === second.kind ? "has another value" : `is a ${second.kind} here and a ${first.kind}`;
  problems.push(problemAt(second, path, `${what} at ${describePlace(first)}`, "keep it in one of the files"));
  return first;
}

function mergeMaps(first: MapTree, second: MapTree, path: DocumentPath, problems: Problem[]): MapTree {
  const entries = new Map(first.entries);
  for (const [key, entry] of second.entries) {
    const known = entries.get(key);
    if (known === undefined) entries.set(key, entry);
    else entries.set(key, { ...known, value: mergeTwo(known.value, entry.value, [...path, key], problems) });
  }
  return { ...first, entries };
}
