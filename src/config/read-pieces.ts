/**
 * Reads a large text piece by piece: every top-level block, and of long lists every item, is parsed for itself, and what has been
 * read before is not read again. Only for texts that are sure to mean the same in pieces (no anchors, aliases, tags, several
 * documents); whatever is unusual, and whatever has a problem, is left to `readTree` and its messages.
 */
import { LineCounter } from "yaml";
import { type ReadResult, readPart, readTree } from "./read-tree.js";
import type { SourceFile, SourceText } from "./source.js";
import type { Environment } from "./substitute.js";
import type { ListTree, MapEntry, MapTree, Tree } from "./tree.js";

/** Smaller texts are read whole in a few milliseconds. */
const MIN_CHARS = 64 * 1024;
/** Shorter lists are one piece. */
const MIN_ITEMS = 16;
const MAX_VALUES = 2_000_000;

/** Pieces of one reader, by file; holds what the last text of each file consisted of. */
export class PieceCache {
  readonly #files = new Map<string, Map<string, ReadPiece[]>>();

  /** Takes what is known of a file; what is not put back is forgotten. */
  take(file: SourceFile): Map<string, ReadPiece[]> {
    return this.#files.get(fileKey(file)) ?? new Map();
  }

  put(file: SourceFile, pieces: Map<string, ReadPiece[]>): void {
    this.#files.set(fileKey(file), pieces);
  }
}

function fileKey({ name, directory }: SourceFile): string {
  return `${directory}\0${name}`;
}

interface Piece {
  readonly text: string;
  /** Lines before it. */
  readonly line: number;
}

interface ReadPiece {
  readonly text: string;
  readonly tree: Tree;
  readonly values: number;
  readonly lines: PieceLines;
}

/** Places within a piece, told as places within the file. */
class PieceLines extends LineCounter {
  linesBefore = 0;

  constructor() {
    super();
    const own = this.linePos;
    this.linePos = (offset) => {
      const { line, col } = own(offset);
      return { line: line + this.linesBefore, col };
    };
  }
}

/** As `readTree`, which it calls for what it cannot do. */
export function readLargeTree(source: SourceText, env: Environment, cache: PieceCache): ReadResult {
  const blocks = source.text.length < MIN_CHARS ? null : splitBlocks(source.text);
  const tree = blocks === null ? null : new PiecewiseReader(source.file, env, cache).read(blocks);
  return tree === null ? readTree(source, env) : { tree, isEmpty: false, problems: [], values: 0 };
}

class PiecewiseReader {
  readonly #file: SourceFile;
  readonly #env: Environment;
  readonly #cache: PieceCache;
  readonly #known: Map<string, ReadPiece[]>;
  readonly #used = new Map<string, ReadPiece[]>();
  #values = 0;

  constructor(file: SourceFile, env: Environment, cache: PieceCache) {
    this.#file = file;
    this.#env = env;
    this.#cache = cache;
    this.#known = cache.take(file);
  }

  /** Null: there is something to report, or something that is not understood. */
  read(blocks: readonly Block[]): Tree | null {
    const entries = new Map<string, MapEntry>();
    for (const block of blocks) {
      const entry = this.#readBlock(block);
      if (entry === null || entries.has(block.key)) return null;
      entries.set(block.key, entry);
    }
    if (this.#values > MAX_VALUES) return null;
    this.#cache.put(this.#file, this.#used);
    return { kind: "map", file: this.#file, offset: 0, entries };
  }

  #readBlock({ key, head, items }: Block): MapEntry | null {
    const map = this.#readPiece(head);
    const entry = map?.kind === "map" ? map.entries.get(key) : undefined;
    if (entry === undefined || (map as MapTree).entries.size !== 1) return null;
    if (items === null) return entry;
    const list = this.#readItems(items);
    return list === null ? null : { ...entry, value: list };
  }

  #readItems(pieces: readonly Piece[]): ListTree | null {
    const items: Tree[] = [];
    let first: ListTree | null = null;
    for (const piece of pieces) {
      const list = this.#readPiece(piece);
      if (list?.kind !== "list" || list.items.length !== 1) return null;
      first ??= list;
      items.push(list.items[0] as Tree);
    }
    return first === null ? null : { ...first, items };
  }

  #readPiece({ text, line }: Piece): Tree | null {
    const piece = this.#known.get(text)?.pop() ?? this.#parse(text);
    if (piece === null) return null;
    piece.lines.linesBefore = line;
    this.#values += piece.values;
    if (isConstant(text)) this.#remember(piece);
    return piece.tree;
  }

  #remember(piece: ReadPiece): void {
    const same = this.#used.get(piece.text);
    if (same === undefined) this.#used.set(piece.text, [piece]);
    else same.push(piece);
  }

  #parse(text: string): ReadPiece | null {
    const lines = new PieceLines();
    // A part of a string keeps the whole of it in memory, and this one may be remembered for long.
    const copy = Buffer.from(text).toString();
    const result = readPart({ file: { ...this.#file, lines }, text: copy }, this.#env);
    if (result.tree === null || result.problems.length > 0) return null;
    return { text: copy, tree: result.tree, values: result.values, lines };
  }
}

/** Variables may have other values next time, and what `{file: …}` stands for is written into the tree. */
function isConstant(text: string): boolean {
  return !text.includes("${") && !text.includes("file");
}

/** A top-level key with what belongs to it. */
interface Block {
  readonly key: string;
  /** The whole block; of a long list only the line of its key. */
  readonly head: Piece;
  readonly items: readonly Piece[] | null;
}

/** Anchors, aliases and tags join what stands apart. */
const JOINTS = /(?:^|[\s[{,:?-])[&*!][^\s]/m;
const KEY_LINE = /^([A-Za-z_][\w-]*):(?=\s|$)/;
const BLANK = /^\s*(?:#.*)?$/;

/** Null: the text is not a plain map of blocks. */
function splitBlocks(text: string): Block[] | null {
  if (JOINTS.test(text)) return null;
  const lines = text.split("\n");
  const starts: number[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const code = line.charCodeAt(0);
    // Space, tab, carriage return, number sign, nothing: part of a block. A dash: an item that is not indented.
    const isInside =
      Number.isNaN(code) || code === 32 || code === 9 || code === 13 || code === 35 || (code === 45 && !line.startsWith("---"));
    if (isInside && (starts.length > 0 || BLANK.test(line))) continue;
    if (!KEY_LINE.test(line)) return null;
    starts.push(i);
  }
  if (starts.length === 0) return null;
  return starts.map((start, index) => blockOf(lines, start, starts[index + 1] ?? lines.length));
}

function blockOf(lines: readonly string[], start: number, end: number): Block {
  const headLine = lines[start] as string;
  const key = KEY_LINE.exec(headLine)?.[1] as string;
  const items = BLANK.test(headLine.slice(key.length + 1)) ? splitItems(lines, start + 1, end) : null;
  const head = { text: items === null ? join(lines, start, end) : headLine, line: start };
  return { key, head, items };
}

/** Null: not a list, a short one, or one that is written in an unusual way. */
function splitItems(lines: readonly string[], start: number, end: number): Piece[] | null {
  let first = start;
  while (first < end && BLANK.test(lines[first] as string)) first++;
  const dash = /^ *-(?=\s|$)/.exec(lines[first] ?? "")?.[0];
  if (dash === undefined) return null;
  const indent = dash.length - 1;
  const starts: number[] = [];
  for (let i = first; i < end; i++) {
    const line = lines[i] as string;
    if (line.startsWith(dash) && /^(?:\s|$)/.test(line.slice(dash.length))) starts.push(i);
    else if (indentOf(line) <= indent && !BLANK.test(line)) return null;
  }
  if (starts.length < MIN_ITEMS) return null;
  return starts.map((from, index) => ({ text: join(lines, from, starts[index + 1] ?? end), line: from }));
}

function indentOf(line: string): number {
  let indent = 0;
  while (line.charCodeAt(indent) === 32) indent++;
  return indent;
}

function join(lines: readonly string[], start: number, end: number): string {
  return `${lines.slice(start, end).join("\n")}\n`;
}
