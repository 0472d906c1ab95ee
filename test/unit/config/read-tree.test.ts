import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem } from "../../../src/config/problems.js";
import { readTree } from "../../../src/config/read-tree.js";
import { sourceFromText } from "../../../src/config/source.js";
import { placeOf, placeOfKey, toPlain } from "../../../src/config/tree.js";

function read(text: string, env: Record<string, string> = {}) {
  const result = readTree(sourceFromText(text, "t.yaml"), env);
  return {
    plain: result.tree === null ? null : toPlain(result.tree),
    tree: result.tree,
    problems: result.problems.map(formatProblem),
    isEmpty: result.isEmpty,
  };
}

test("maps, lists and scalars become plain values", () => {
  const { plain, problems } = read("a: 1\nb: [x, true, null, 1.5]\nc: { d: '1', e: }\n2: two\n");
  assert.deepEqual(problems, []);
  assert.deepEqual(plain, { a: 1, b: ["x", true, null, 1.5], c: { d: "1", e: null }, "2": "two" });
});

test("every value and key knows its place", () => {
  const { tree } = read("a:\n  - b: 1\n    cc: 2\n");
  assert.ok(tree !== null);
  const at = (place: { file: { lines: { linePos(offset: number): { line: number; col: number } } }; offset: number }) =>
    place.file.lines.linePos(place.offset);
  assert.deepEqual(at(placeOf(tree, ["a", 0, "cc"])), { line: 3, col: 9 });
  assert.deepEqual(at(placeOfKey(tree, ["a", 0], "cc")), { line: 3, col: 5 });
  assert.deepEqual(at(placeOf(tree, ["a", 0, "missing"])), { line: 2, col: 5 });
});

test("anchors, aliases and merge keys are expanded; a map's own keys win", () => {
  const { plain, problems } = read(
    "base: &base { a: 1, b: 2 }\nother: &other { b: 3, c: 4 }\nx: { <<: *base, b: 9 }\ny:\n  <<: [*base, *other]\nz: [*base]\n",
  );
  assert.deepEqual(problems, []);
  const { x, y, z } = plain as Record<string, unknown>;
  assert.deepEqual({ x, y, z }, { x: { a: 1, b: 9 }, y: { a: 1, b: 2, c: 4 }, z: [{ a: 1, b: 2 }] });
});

test("merging something that is no map is a problem", () => {
  assert.match(read("a: { <<: 5 }\n").problems[0] ?? "", /^t\.yaml:1:10 a\["<<"\] must be a map/);
});

test("a quoted << is an ordinary key", () => {
  assert.deepEqual(read("a: { '<<': { b: 1 } }\n").plain, { a: { "<<": { b: 1 } } });
});

test("a duplicate key is a problem that says where the first one is", () => {
  assert.deepEqual(read("a: 1\nb: 2\na: 3\n").problems, ["t.yaml:3:1 a is written twice in the same map; the first is at t.yaml:1"]);
});

test("several documents in one file are a problem", () => {
  assert.match(read("a: 1\n---\nb: 2\n").problems[0] ?? "", /^t\.yaml:3:1 holds more than one YAML document/);
});

test("a document that is not a map is a problem", () => {
  assert.match(read("- a\n").problems[0] ?? "", /must be a map/);
  assert.match(read("just text\n").problems[0] ?? "", /must be a map/);
});

test("an empty file is told apart from a broken one", () => {
  for (const text of ["", "# nothing\n", "---\n", "null\n"])
    assert.deepEqual([read(text).isEmpty, read(text).problems], [true, []], JSON.stringify(text));
});

test("syntax errors and unknown tags are located problems", () => {
  assert.match(read("a: [1, 2\nb: 3\n").problems[0] ?? "", /^t\.yaml:\d+:\d+ YAML: /);
  assert.match(read("a: !!binary aGVsbG8=\n").problems[0] ?? "", /^t\.yaml:1:\d+ a has a YAML tag/);
  assert.match(read("a: !custom x\n").problems[0] ?? "", /YAML: /);
  assert.match(read("a: *nowhere\n").problems[0] ?? "", /YAML: |alias/);
});

test("keys that are not plain text are problems", () => {
  assert.match(read("? [a, b]\n: 1\n").problems[0] ?? "", /key that is not plain text/);
  assert.match(read("__proto__: { polluted: true }\n").problems[0] ?? "", /key that is not plain text/);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("an alias to its own anchor is a problem and not an endless walk", () => {
  assert.match(read("a: &a { b: *a }\n").problems[0] ?? "", /alias \*a stands inside its own anchor|YAML: /);
});

test("deep nesting is a problem and not a crash", () => {
  assert.match(read(`a: ${"[".repeat(100)}${"]".repeat(100)}\n`).problems[0] ?? "", /nested deeper than 64 levels/);
  assert.ok(read(`a: ${"[".repeat(50_000)}\n`).problems.length > 0);
  assert.ok(read(`a: ${"{b: ".repeat(20_000)}\n`).problems.length > 0);
});

test("a document that explodes through aliases is a problem and not an exhausted memory", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 10; i++) lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
  assert.match(read(lines.join("\n")).problems[0] ?? "", /holds more than 2000000 values/);
});

test("variables are resolved inside text and keep what was written", () => {
  const { plain, tree } = read("a: x${V}y\nb: 'plain'\n", { V: "1" });
  assert.deepEqual(plain, { a: "x1y", b: "plain" });
  assert.ok(tree?.kind === "map");
  const node = tree.entries.get("a")?.value;
  assert.equal(node?.kind === "scalar" ? node.written : null, "x${V}y");
});
