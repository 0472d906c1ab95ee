/** Reading in pieces must be reading: same values, same places, same problems, whatever was read before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PieceCache, readLargeTree } from "../../../src/config/read-pieces.js";
import { readTree } from "../../../src/config/read-tree.js";
import { sourceFromText } from "../../../src/config/source.js";
import type { Tree } from "../../../src/config/tree.js";

const ENV = { NAME: "value" };

/** Everything of a tree that anyone can see: kinds, values, keys, and the line and column of all of it. */
function describeTree(tree: Tree): unknown {
  const { line, col } = tree.file.lines.linePos(tree.offset);
  const at = `${tree.file.name}:${line}:${col}`;
  if (tree.kind === "scalar") return [at, tree.value, tree.written];
  if (tree.kind === "list") return [at, ...tree.items.map(describeTree)];
  return [
    at,
    [...tree.entries].map(([key, entry]) => {
      const place = entry.keyFile.lines.linePos(entry.keyOffset);
      return [key, place.line, place.col, describeTree(entry.value)];
    }),
  ];
}

function compare(text: string, cache: PieceCache): void {
  const whole = readTree(sourceFromText(text, "a.yaml"), ENV);
  const pieces = readLargeTree(sourceFromText(text, "a.yaml"), ENV, cache);
  assert.deepEqual(pieces.problems, whole.problems);
  assert.equal(pieces.tree === null, whole.tree === null);
  if (pieces.tree === null || whole.tree === null) return;
  const [seen, expected] = [describeTree(pieces.tree), describeTree(whole.tree)] as [unknown[], unknown[]];
  // The root itself has no place that anyone is told of.
  assert.deepEqual(seen.slice(1), expected.slice(1));
}

const PADDING = `# ${"x".repeat(70)}\n`.repeat(1000);

const ITEMS = [
  (n: number) => `  - name: r${n}\n    hostnames: [a.test, "*.b.test"]\n`,
  (n: number) => `  - { name: r${n}, match: [{ path: { value: /p${n} } }] }\n`,
  (n: number) => `  - name: r${n}\n    note: |\n      - not an item\n        - nor this\n\n    after: 1\n`,
  (n: number) => `  # about ${n}\n  - name: "two\n      lines - here"\n`,
  (n: number) => `  -\n    name: r${n}   # why\n    list:\n    - a\n    - b\n`,
  (n: number) => `  - name: \${NAME}\n    secret: { file: x }\n    n: ${n}\n`,
  (n: number) => `  - - nested\n    - ${n}\n`,
  (n: number) => `  - plain ${n}\n\n`,
  (n: number) => `  - 'it''s'\n`.repeat(1 + (n % 2)),
  (n: number) => `  - name: >-\n      folded\n      text\n    n: ${n}\r\n`,
];

/** Unusual or wrong: all of it must end in the same result as reading the whole. */
const ODD = [
  "  - name: &anchor x\n",
  "  - *anchor\n",
  "  - name: !tag x\n",
  '  - name: "never closed\n',
  "  - { name: [never closed\n",
  " - wrongly indented\n",
  "  name: no item\n",
  "- at the margin\n",
  "    - deeper\n",
  "\t- tab\n",
  "  - name: 1\n    name: 2\n",
  "---\n",
  "...\n",
  "%YAML 1.2\n",
  "? complex\n",
  "  - ${UNSET}\n",
  "  - `reserved\n",
  "text\n",
  "routes: again\n",
  "  -no space\n",
  '  - "cont\ninued at the margin"\n',
  '  - "cont\n  - inued"\n',
];

const block = fc.tuple(
  fc.constantFrom("routes:\n", "services: # all of them\n", "other:\n\n  # between\n", "flow: [1, 2]\n", "map:\n  a: 1\n", "indentless:\n"),
  fc.array(fc.tuple(fc.nat(ITEMS.length - 1), fc.nat(30)), { maxLength: 40 }),
);

function textOf(
  blocks: readonly (readonly [string, readonly (readonly [number, number])[]])[],
  odd: readonly (readonly [number, number])[],
) {
  let text = PADDING;
  for (const [head, items] of blocks) {
    text += head;
    if (head.endsWith("2]\n") || head.startsWith("map")) continue;
    const body = items.map(([kind, n]) => (ITEMS[kind] as (n: number) => string)(n)).join("");
    text += head.startsWith("indentless") ? body.replace(/^ {2}/gm, "") : body;
  }
  const lines = text.split(/(?<=\n)/);
  for (const [kind, where] of odd) lines.splice(1000 + (where % Math.max(1, lines.length - 999)), 0, ODD[kind] as string);
  return lines.join("");
}

describe("a large text read in pieces", () => {
  it("is what it is when it is read whole, also when parts of it are known", () => {
    const cache = new PieceCache();
    const blocks = fc.uniqueArray(block, { selector: ([head]) => head, minLength: 1, maxLength: 4 });
    const odd = fc.array(fc.tuple(fc.nat(ODD.length - 1), fc.nat(1_000)), { maxLength: 1 });
    fc.assert(
      fc.property(blocks, odd, (all, strange) => compare(textOf(all, strange), cache)),
      { numRuns: 400 },
    );
  });

  it("tells places after lines were put before it", () => {
    const cache = new PieceCache();
    const list = Array.from({ length: 40 }, (_, i) => `  - name: r${i}\n`).join("");
    for (const before of ["", "a: 1\n", "a: 1\nb:\n  - 1\n\n\n"]) compare(`${PADDING}${before}routes:\n${list}`, cache);
  });

  it("reads what it knows in a fraction of the time", () => {
    const cache = new PieceCache();
    const items = Array.from(
      { length: 3_000 },
      (_, i) => `  - { name: r${i}, match: [{ path: { value: /p${i} } }], backends: [{ service: s }] }\n`,
    );
    const read = (): number => {
      const startedAt = process.cpuUsage();
      const { tree } = readLargeTree(sourceFromText(`routes:\n${items.join("")}`, "a.yaml"), ENV, cache);
      assert.equal(tree?.kind, "map");
      return process.cpuUsage(startedAt).user;
    };
    const first = read();
    items[1_500] = "  - { name: changed }\n";
    const again = Math.min(read(), read(), read());
    assert.ok(again < first / 4, `${first} µs at first, then ${again}`);
  });
});
