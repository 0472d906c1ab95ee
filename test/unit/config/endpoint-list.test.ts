/** Files of endpoints, whoever writes them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEndpointList } from "../../../src/config/index.js";

function message(text: string): string {
  const result = parseEndpointList(text, "list.yaml");
  assert.equal(result.ok, false, "it should have problems");
  return result.ok ? "" : result.message;
}

const BOTH = [
  { host: "10.0.0.1", port: 80, weight: 3, zone: "a", priority: 1, labels: { version: "v1" } },
  { host: "fd00::1", port: 81, weight: 1, zone: "", priority: 0, labels: {} },
];

test("a list is YAML or JSON", () => {
  const yaml = '- { address: 10.0.0.1:80, weight: 3, zone: a, priority: 1, labels: { version: v1 } }\n- address: "[fd00::1]:81"\n';
  const json = JSON.stringify([
    { address: "10.0.0.1:80", weight: 3, zone: "a", priority: 1, labels: { version: "v1" } },
    { address: "[fd00::1]:81" },
  ]);
  for (const text of [yaml, json, `\uFEFF${json}`]) assert.deepEqual(parseEndpointList(text, "l"), { ok: true, endpoints: BOTH });
  assert.deepEqual(parseEndpointList("[]", "l"), { ok: true, endpoints: [] });
});

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ["nothing", "", /^list\.yaml is empty: write \[\] for no endpoints$/],
  ["a map", "endpoints: []", /^list\.yaml:1:1 expected a list, got a map/],
  ["half a list", '- { address: "a:1" }\n- { addr', /^list\.yaml:2:\d+ YAML: /],
  ["an unknown key", '- { address: "a:1", wieght: 2 }', /^list\.yaml:1:\d+ \[0\]\.wieght is not a known key \(did you mean "weight"\?\)/],
  ["an address without a port", "- { address: a }", /^list\.yaml:1:14 \[0\]\.address "a" is not an endpoint address/],
  ["a weight that is no number", '- { address: "a:1", weight: heavy }', /\[0\]\.weight expected a number/],
  [
    "an address twice",
    '- { address: "a:1" }\n- { address: "A:1" }',
    /^list\.yaml:2:14 \[1\]\.address is also the address of the endpoint at list\.yaml:1/,
  ],
  ["two documents", '- { address: "a:1" }\n---\n- { address: "b:1" }', /more than one YAML document/],
  ["aliases without end", `- &a [${"*a,".repeat(9)}]`, /list\.yaml:1/],
  ["too deep a nesting", `${"[".repeat(200)}${"]".repeat(200)}`, /nested deeper than 64/],
];
for (const [what, text, expected] of BROKEN) {
  test(`${what} is a problem with its place`, () => assert.match(message(text), expected));
}

test("a list cannot read the gateway's environment", () => {
  process.env["WINDROSE_TEST_SECRET"] = "hunter2";
  const text = message(`- { address: "\${WINDROSE_TEST_SECRET}:1" }`);
  assert.match(text, /WINDROSE_TEST_SECRET/);
  assert.doesNotMatch(text, /hunter2/);
});

test("of many problems the first three are told", () => {
  const text = message(Array.from({ length: 50 }, () => "- { address: a }").join("\n"));
  assert.match(text, /list\.yaml:3:14 .*; and 47 more$/);
});
