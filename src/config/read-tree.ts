/**
 * YAML text → tree. Handles what is YAML's own: syntax errors, duplicate keys, anchors and aliases, merge keys (`<<`),
 * and the limits that keep a hostile or broken file from taking the process with it. `${…}` is resolved on the way.
 */

import type { Alias, CST, Document, Node, ParsedNode, YAMLMap, YAMLSeq, Scalar as YamlScalar } from "yaml";
import { Composer, isAlias, isMap, isScalar, isSeq, Parser } from "yaml";
import { cstDepth } from "./cst-depth.js";
import type { DocumentPath, Problem } from "./problems.js";
import type { SourceFile, SourceText } from "./source.js";
import { type Environment, substitute } from "./substitute.js";
import { describePlace, type MapEntry, type MapTree, problemAt, type Tree } from "./tree.js";

/** Nesting that no real document reaches; the deepest field of the schema is at 9. */
const MAX_DEPTH = 64;
const MAX_ALIASES = 50_000;
/** Values after aliases have been expanded: the bound that stops "billion laughs" documents. */
const MAX_VALUES = 2_000_000;
/** Syntax errors beyond this are consequences of earlier ones. */
const MAX_SYNTAX_PROBLEMS = 20;

export interface ReadResult {
  /** null: nothing usable, `problems` says why; or the file is empty and `isEmpty` is set. */
  readonly tree: Tree | null;
  readonly isEmpty: boolean;
  readonly problems: readonly Problem[];
  /** How many values the tree holds. */
  readonly values: number;
}

/** A whole file: a map of blocks. */
export function readTree(source: SourceText, env: Environment): ReadResult {
  const result = readPart(source, env);
  const { tree, problems } = result;
  if (tree === null || tree.kind === "map" || problems.length > 0) return result;
  return failed([problemAt(tree, [], "must be a map of blocks such as listeners, routes and services")]);
}

/** Any text, of a file or of a part of one. */
export function readPart(source: SourceText, env: Environment): ReadResult {
  const { file, text } = source;
  const tokens = [...new Parser(file.lines.addNewLine).parse(text)];
  // The composer descends by recursion, and an exhausted stack can end the whole process: look before it does.
  const tooDeep = cstDepth(tokens, MAX_DEPTH);
  if (tooDeep !== null) return failed([problemAt({ file, offset: tooDeep }, [], `is nested deeper than ${MAX_DEPTH} levels`)]);
  return readDocuments(source, tokens, env);
}

function readDocuments({ file }: SourceText, tokens: readonly CST.Token[], env: Environment): ReadResult {
  // Duplicate keys are found below, with the place of the first; the parser's own search takes quadratic time.
  const documents = [...new Composer<ParsedNode>({ prettyErrors: false, uniqueKeys: false }).compose(tokens)] as Document.Parsed[];
  const syntax = documents.flatMap((document) => syntaxProblems(document, file));
  if (syntax.length > 0) return failed(syntax.slice(0, MAX_SYNTAX_PROBLEMS));
  const second = documents[1];
  if (second !== undefined) {
    const place = { file, offset: second.contents?.range[0] ?? second.range[0] };
    return failed([problemAt(place, [], "holds more than one YAML document", "put each document in a file of its own, in one directory")]);
  }
  const contents = documents[0]?.contents ?? null;
  if (contents === null || (isScalar(contents) && contents.value === null)) return { tree: null, isEmpty: true, problems: [], values: 0 };
  const reader = new TreeReader(file, env);
  const tree = reader.read(contents);
  return { tree, isEmpty: false, problems: reader.problems, values: reader.values };
}

function failed(problems: readonly Problem[]): ReadResult {
  return { tree: null, isEmpty: false, problems, values: 0 };
}

function syntaxProblems(document: Document.Parsed, file: SourceFile): Problem[] {
  return [...document.errors, ...document.warnings].map((error) => {
    const message = `YAML: ${error.message.split("\n", 1)[0]}`;
    return problemAt({ file, offset: error.pos[0] }, [], message);
  });
}

/** Thrown to leave the recursion once a limit is reached; never leaves this file. */
class LimitReached extends Error {}

class TreeReader {
  readonly problems: Problem[] = [];
  readonly #file: SourceFile;
  readonly #env: Environment;
  readonly #anchors = new Map<string, { readonly tree: Tree; readonly size: number; readonly height: number }>();
  values = 0;
  #aliases = 0;
  /** Depth of the deepest value below the one being read, aliases expanded. */
  #deepest = 0;

  constructor(file: SourceFile, env: Environment) {
    this.#file = file;
    this.#env = env;
  }

  read(contents: ParsedNode): Tree {
    try {
      return this.#read(contents, []);
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error;
      return { kind: "scalar", file: this.#file, offset: 0, value: null, written: null };
    }
  }

  #read(node: Node, path: (string | number)[]): Tree {
    if (isAlias(node)) return this.#readAlias(node, path);
    const offset = offsetOf(node);
    const valuesBefore = this.values;
    const deepestBefore = this.#deepest;
    this.#deepest = path.length;
    this.#count(1, offset, path);
    const tree = this.#readNode(node, path);
    const anchor = (node as YamlScalar | YAMLMap | YAMLSeq).anchor;
    const height = this.#deepest - path.length;
    if (anchor !== undefined) this.#anchors.set(anchor, { tree, size: this.values - valuesBefore, height });
    this.#deepest = Math.max(this.#deepest, deepestBefore);
    return tree;
  }

  #readNode(node: Node, path: (string | number)[]): Tree {
    if (isMap(node)) return this.#readMap(node, path);
    if (isSeq(node)) return this.#readList(node, path);
    return this.#readScalar(node as YamlScalar, path);
  }

  #readScalar(node: YamlScalar, path: DocumentPath): Tree {
    const offset = offsetOf(node);
    const value = node.value;
    if (typeof value !== "string") {
      const isPlain = value === null || typeof value === "number" || typeof value === "boolean";
      if (!isPlain) this.#report(offset, path, "has a YAML tag that makes no text, number or boolean of it");
      return { kind: "scalar", file: this.#file, offset, value: isPlain ? value : null, written: null };
    }
    const result = substitute(value, this.#env);
    if (!result.ok) {
      this.#report(offset, path, result.message, result.hint);
      return { kind: "scalar", file: this.#file, offset, value: null, written: value };
    }
    return { kind: "scalar", file: this.#file, offset, value: result.text, written: result.hasVariable ? value : null };
  }

  #readList(node: YAMLSeq, path: (string | number)[]): Tree {
    const items = node.items.map((item, index) => this.#readChild(item as Node | null, path, index, offsetOf(node)));
    return { kind: "list", file: this.#file, offset: offsetOf(node), items };
  }

  #readChild(node: Node | null, path: (string | number)[], part: string | number, emptyOffset: number): Tree {
    if (node === null) return { kind: "scalar", file: this.#file, offset: emptyOffset, value: null, written: null };
    path.push(part);
    const tree = this.#read(node, path);
    path.pop();
    return tree;
  }

  #readMap(node: YAMLMap, path: (string | number)[]): Tree {
    const map: MapTree = { kind: "map", file: this.#file, offset: offsetOf(node), entries: new Map() };
    const merged: Tree[] = [];
    for (const pair of node.items) {
      const keyNode = pair.key as Node;
      const key = this.#readKey(keyNode, path);
      if (key === null) continue;
      const value = this.#readChild(pair.value as Node | null, path, key, offsetOf(keyNode));
      if (key === "<<" && isPlainScalar(keyNode)) merged.push(value);
      else this.#addEntry(map, key, { keyFile: this.#file, keyOffset: offsetOf(keyNode), value }, path);
    }
    for (const value of merged) this.#merge(map, value, path);
    return map;
  }

  #readKey(node: Node, path: DocumentPath): string | null {
    if (isScalar(node) && (typeof node.value !== "object" || node.value === null)) {
      const key = String(node.value);
      if (key !== "__proto__") return key;
    }
    this.#report(offsetOf(node), path, "has a key that is not plain text");
    return null;
  }

  #addEntry(map: MapTree, key: string, entry: MapEntry, path: DocumentPath): void {
    const first = map.entries.get(key);
    if (first === undefined) {
      map.entries.set(key, entry);
      return;
    }
    const where = describePlace({ file: first.keyFile, offset: first.keyOffset });
    this.#report(entry.keyOffset, [...path, key], `is written twice in the same map; the first is at ${where}`);
  }

  /** YAML merge key: keys of the map itself win, then earlier merged maps. */
  #merge(map: MapTree, value: Tree, path: DocumentPath): void {
    const maps = value.kind === "list" ? value.items : [value];
    for (const merged of maps) {
      if (merged.kind !== "map") {
        this.#report(merged.offset, [...path, "<<"], "must be a map, or a list of maps, to be merged");
        continue;
      }
      for (const [key, entry] of merged.entries) if (!map.entries.has(key)) map.entries.set(key, entry);
    }
  }

  #readAlias(node: Alias, path: DocumentPath): Tree {
    const offset = offsetOf(node);
    this.#aliases++;
    if (this.#aliases > MAX_ALIASES) this.#stop(offset, path, `uses more than ${MAX_ALIASES} aliases`);
    const anchored = this.#anchors.get(node.source);
    if (anchored === undefined) {
      this.#report(offset, path, `alias *${node.source} stands inside its own anchor or before it`);
      return { kind: "scalar", file: this.#file, offset, value: null, written: null };
    }
    this.#count(anchored.size, offset, path);
    const depth = path.length + anchored.height;
    if (depth > MAX_DEPTH) this.#stop(offset, path, `is nested deeper than ${MAX_DEPTH} levels, counting what *${node.source} stands for`);
    this.#deepest = Math.max(this.#deepest, depth);
    return anchored.tree;
  }

  #count(values: number, offset: number, path: DocumentPath): void {
    this.values += values;
    if (this.values > MAX_VALUES) this.#stop(offset, path, `holds more than ${MAX_VALUES} values (aliases counted in full)`);
  }

  #stop(offset: number, path: DocumentPath, message: string): never {
    this.#report(offset, path.slice(0, 8), message);
    throw new LimitReached();
  }

  #report(offset: number, path: DocumentPath, message: string, hint?: string): void {
    this.problems.push(problemAt({ file: this.#file, offset }, path, message, hint));
  }
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function isPlainScalar(node: Node): boolean {
  return isScalar(node) && node.type === "PLAIN";
}
