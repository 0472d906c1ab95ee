import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatProblem, routeTestsSchemaText } from "../../../src/config/index.js";
import { parseRouteTests } from "../../../src/config/route-tests.js";

const GOOD = `
tests:
  - name: one
    request: GET https://h/
    expect: { route: a, status: 200 }
  - name: two
    request: { url: "https://\${HOST}/x", method: POST, headers: { X-A: "1", x-b: ["1", "2"] }, claims: { sub: a, n: [1, { b: null }] }, address: 10.0.0.1 }
    expect: { route: null, requestHeaders: { x-user: null }, backends: { a: 95.5 } }
`;

function problems(text: string, env: Readonly<Record<string, string>> = {}): string[] {
  const result = parseRouteTests(text, "t.yaml", env);
  return result.ok ? [] : result.problems.map(formatProblem);
}

function one(fields: string): string[] {
  return problems(`tests:\n  - name: n\n    ${fields}\n`);
}

describe("route tests", () => {
  it("are read with their variables, claims and headers", () => {
    const result = parseRouteTests(GOOD, "t.yaml", { HOST: "api.example" });
    assert.ok(result.ok);
    const [first, second] = result.files[0]?.tests ?? [];
    assert.deepEqual([first?.name, first?.request, first?.claims, first?.place], ["one", { request: "GET https://h/" }, null, "t.yaml:3"]);
    assert.deepEqual(second?.request, {
      request: "POST https://api.example/x",
      headers: [
        ["X-A", "1"],
        ["x-b", "1"],
        ["x-b", "2"],
      ],
      address: "10.0.0.1",
    });
    assert.deepEqual(second?.claims, { sub: "a", n: [1, { b: null }] });
    assert.deepEqual(second?.expect, { route: null, requestHeaders: { "x-user": null }, backends: { a: 95.5 } });
    assert.equal(formatProblem(second?.problem("address", "is wrong") as never), "t.yaml:7:146 tests[1].request.address is wrong");
    assert.equal(formatProblem(first?.problem("request", "is wrong") as never), "t.yaml:4:14 tests[0].request is wrong");
  });

  it("are refused with every problem at its place", () => {
    assert.deepEqual(problems(""), ["t.yaml is empty"]);
    assert.deepEqual(problems("tests: []"), ["t.yaml:1:8 tests must not be empty"]);
    assert.deepEqual(problems("test: []"), [
      't.yaml:1:1 test is not a known key (did you mean "tests"?)',
      "t.yaml:1:1 tests is missing: a list is required",
    ]);
    assert.deepEqual(one("request: x\n    expect: {}"), ["t.yaml:4:13 tests[0].expect expects nothing, so the test could not fail"]);
    assert.deepEqual(one("request: x\n    expect: { verdict: proxyed }"), [
      't.yaml:4:24 tests[0].expect.verdict "proxyed" is not one of proxied, reply, refused (did you mean "proxied"?)',
    ]);
    assert.deepEqual(one("request: x\n    expect: { status: 99 }"), ["t.yaml:4:23 tests[0].expect.status must be at least 100"]);
    assert.deepEqual(one('request: x\n    expect: { requestHeaders: { "a b": c } }'), [
      't.yaml:4:40 tests[0].expect.requestHeaders["a b"] this name is not a header name',
    ]);
    assert.deepEqual(one("request: { url: u, claims: {}, token: t }\n    expect: { status: 200 }"), [
      "t.yaml:3:43 tests[0].request.token and claims exclude each other",
    ]);
    assert.deepEqual(one("request: [x]\n    expect: { status: 200 }"), ["t.yaml:3:14 tests[0].request expected text or a map"]);
    assert.match(problems(GOOD).join(), /HOST is not set/);
    const doubled = `tests:\n${"  - { name: n, request: x, expect: { status: 200 } }\n".repeat(2)}`;
    assert.deepEqual(problems(doubled), ["t.yaml:3:13 tests[1].name is also the name of the test at t.yaml:2"]);
  });

  it("never show what a variable holds", () => {
    const text = problems('tests: [{ name: n, request: { url: u, address: 1, token: ["${S}"] }, expect: { status: "${S}" } }]', {
      S: "top-secret",
    }).join("\n");
    assert.ok(text !== "" && !text.includes("top-secret"), text);
  });

  it("give problems and no exception, however broken the file is", () => {
    const pieces = fc.constantFrom(
      "tests:",
      "\n",
      "  ",
      "- ",
      "name: a",
      "request: ",
      "GET http://h/",
      "expect:",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "<<: ",
      "status: 1",
      "claims: ",
      "~",
      "!!binary x",
      "${X}",
      "\u0000",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 30 }).map((list) => list.join("")),
          fc.string({ unit: "binary" }),
        ),
        (text) => {
          const result = parseRouteTests(text, "t.yaml", {});
          assert.ok(result.ok || result.problems.length > 0);
        },
      ),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.nat(GOOD.length), fc.nat(8), fc.string({ maxLength: 4 }), (at, cut, put) => {
        const result = parseRouteTests(GOOD.slice(0, at) + put + GOOD.slice(at + cut), "t.yaml", { HOST: "h" });
        assert.ok(result.ok || result.problems.every(({ message }) => message !== ""));
      }),
      { numRuns: 1_000 },
    );
  });

  it("have a JSON Schema that is the checked-in one", () => {
    const path = "config/route-tests.schema.json";
    const how = `${path} is out of date: run \`npm run build && node dist/src/main.js test --write-schema ${path}\` and commit the result`;
    assert.equal(readFileSync(path, "utf8") === routeTestsSchemaText(), true, how);
  });
});
