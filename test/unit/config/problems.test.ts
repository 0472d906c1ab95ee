import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPath, formatProblem, type Problem, sortProblems } from "../../../src/config/problems.js";

const PROBLEM: Problem = { file: "a.yaml", line: 3, column: 7, path: "routes[0].name", message: "is missing", severity: "error" };

test("a problem reads file:line:column path message (hint)", () => {
  assert.equal(formatProblem(PROBLEM), "a.yaml:3:7 routes[0].name is missing");
  assert.equal(formatProblem({ ...PROBLEM, hint: "add one" }), "a.yaml:3:7 routes[0].name is missing (add one)");
  assert.equal(formatProblem({ ...PROBLEM, severity: "warning" }), "a.yaml:3:7 routes[0].name warning: is missing");
  assert.equal(formatProblem({ ...PROBLEM, line: 0, column: 0, path: "", message: "cannot be read" }), "a.yaml cannot be read");
});

test("a path uses dots, brackets for positions, and quotes for odd keys", () => {
  assert.equal(
    formatPath(["routes", 2, "filters", 0, "requestHeaders", "set", "x-user"]),
    "routes[2].filters[0].requestHeaders.set.x-user",
  );
  assert.equal(formatPath(["services", 0, "endpoints", "a b"]), 'services[0].endpoints["a b"]');
  assert.equal(formatPath([]), "");
});

test("control characters of a document do not reach a terminal", () => {
  assert.equal(formatProblem({ ...PROBLEM, message: "\u001b[31mred\u0007\u202e" }).includes("\u001b"), false);
});

test("problems are sorted by file, line and column", () => {
  const places = [
    ["b", 1, 1],
    ["a", 10, 1],
    ["a", 2, 9],
    ["a", 2, 3],
  ] as const;
  const sorted = sortProblems(places.map(([file, line, column]) => ({ ...PROBLEM, file, line, column })));
  assert.deepEqual(
    sorted.map(({ file, line, column }) => `${file}${line}:${column}`),
    ["a2:3", "a2:9", "a10:1", "b1:1"],
  );
});
