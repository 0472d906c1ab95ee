/** What every check is given: where things were written, and a place to put problems. */
import type { DocumentPath, Problem } from "../problems.js";
import { describePlace, nodeAt, placeOf, problemAt, type Tree } from "../tree.js";

/** A name and where the first block that bears it was written. */
export type NameIndex = ReadonlyMap<string, DocumentPath>;

export class Checker {
  readonly problems: Problem[] = [];
  readonly tree: Tree;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  error(path: DocumentPath, message: string, hint?: string): void {
    this.problems.push(problemAt(placeOf(this.tree, path), path, message, hint));
  }

  warn(path: DocumentPath, message: string, hint?: string): void {
    this.problems.push(problemAt(placeOf(this.tree, path), path, message, hint, "warning"));
  }

  isWritten(path: DocumentPath): boolean {
    return nodeAt(this.tree, path) !== null;
  }

  isEmptyMap(path: DocumentPath): boolean {
    const node = nodeAt(this.tree, path);
    return node?.kind === "map" && node.entries.size === 0;
  }

  /** `file:line` of what stands at `path`. */
  where(path: DocumentPath): string {
    return describePlace(placeOf(this.tree, path));
  }

  /** Where relative paths at `path` start: the directory of the file in which it was written. */
  directoryOf(path: DocumentPath): string {
    return placeOf(this.tree, path).file.directory;
  }

  /** The value for a message: what was written, not what a variable held. */
  quote(path: DocumentPath): string {
    const node = nodeAt(this.tree, path);
    return node?.kind === "scalar" ? JSON.stringify(node.written ?? node.value) : "it";
  }

  /** The names that a hint may show: those written in the document, not those that came out of a variable. */
  showable(index: NameIndex): string[] {
    return [...index].filter(([, path]) => !this.#isFromVariable(path)).map(([name]) => name);
  }

  #isFromVariable(path: DocumentPath): boolean {
    const node = nodeAt(this.tree, path);
    return node?.kind === "scalar" && node.written !== null;
  }

  /** Names of the blocks in the list at `path`, valid or not; null when it is not a list. Reports duplicates. */
  indexNames(path: DocumentPath): NameIndex | null {
    const list = nodeAt(this.tree, path);
    const names = new Map<string, DocumentPath>();
    if (list === null) return names;
    if (list.kind !== "list") return null;
    for (let i = 0; i < list.items.length; i++) {
      const at = [...path, i, "name"];
      const node = nodeAt(this.tree, at);
      if (node?.kind !== "scalar" || typeof node.value !== "string") continue;
      const first = names.get(node.value);
      if (first === undefined) names.set(node.value, at);
      else this.error(at, `the name ${this.quote(at)} is taken`, `the first is at ${this.where(first)}`);
    }
    return names;
  }
}
