/** The admin API: who may reach it, with what tokens, over which socket. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { diffDocuments, loadConfig } from "../../../src/config/index.js";
import { accept, MINIMAL, refuse, temporaryDirectory } from "./fixtures.js";

const [FIRST, SECOND] = ["0123456789abcdef-first", "0123456789abcdef-second"];

test("an admin API that others can reach needs a token", () => {
  assert.match(refuse(`${MINIMAL}admin: { bind: "0.0.0.0:9901" }`)[0] ?? "", /admin\.bind "0\.0\.0\.0:9901" can be reached from outside/);
  const { snapshot } = accept(`${MINIMAL}admin: { bind: "0.0.0.0:9901", token: 0123456789abcdef0123456789abcdef-x }`);
  assert.equal(snapshot.admin.tokens[0]?.token, "0123456789abcdef0123456789abcdef-x");
  for (const loopback of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"]) accept(`${MINIMAL}admin: { bind: "${loopback}" }`);
});

test("a token may come from a file, without the line break at its end", (context) => {
  const directory = temporaryDirectory(context, {
    "w.yaml": `${MINIMAL}admin: { token: { file: secrets/token } }`,
    "secrets/token": "0123456789abcdefghij\n",
  });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.equal(result.snapshot.admin.tokens[0]?.token, "0123456789abcdefghij");
  assert.deepEqual(result.document.files, [join(directory, "secrets/token"), join(directory, "w.yaml")]);
});

test("an empty, broken or missing token is a problem, a short one a warning", () => {
  assert.match(refuse(`${MINIMAL}admin: { token: "" }`)[0] ?? "", /admin\.token/);
  assert.match(refuse(`${MINIMAL}admin: { token: "a b" }`)[0] ?? "", /printable ASCII/);
  assert.match(refuse(`${MINIMAL}admin: { token: { file: nowhere } }`)[0] ?? "", /admin\.token\.file cannot read "nowhere"/);
  assert.match(refuse(`${MINIMAL}admin: { token: { fil: x } }`).join("\n"), /fil is not a known key \(did you mean "file"\?\)/);
  assert.match(accept(`${MINIMAL}admin: { token: short }`).warnings[0] ?? "", /admin\.token warning: is short enough/);
});

test("a directory or a device in place of a file is a problem and does not block", () => {
  assert.match(refuse(`${MINIMAL}admin: { token: { file: /dev/zero } }`)[0] ?? "", /it is not a regular file/);
  assert.match(refuse(`${MINIMAL}admin: { token: { file: / } }`)[0] ?? "", /it is a directory/);
});

test("named tokens have roles, read unless it is said otherwise; admin.token is one of role write", () => {
  const { snapshot } = accept(`${MINIMAL}admin: { token: ${FIRST}, tokens: [{ name: grafana, token: ${SECOND} }] }`);
  assert.deepEqual(snapshot.admin.tokens, [
    { name: "admin", role: "write", token: FIRST },
    { name: "grafana", role: "read", token: SECOND },
  ]);
  const open = accept(`${MINIMAL}admin: { bind: "0.0.0.0:1", tokens: [{ name: ci, role: write, token: ${FIRST} }] }`);
  assert.deepEqual(open.snapshot.admin.tokens, [{ name: "ci", role: "write", token: FIRST }]);
  assert.match(refuse(`${MINIMAL}admin: { bind: "0.0.0.0:1", tokens: [] }`)[0] ?? "", /a token is required/);
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "one token under two names",
    `tokens: [{ name: a, token: ${FIRST} }, { name: b, token: ${FIRST} }]`,
    /tokens\[1\]\.token is the token of another/,
  ],
  [
    "admin.token once more",
    `token: ${FIRST}, tokens: [{ name: a, token: ${FIRST} }]`,
    /tokens\[0\]\.token is the token of another entry \(the other is at/,
  ],
  ["one name twice", `tokens: [{ name: a, token: ${FIRST} }, { name: a, token: ${SECOND} }]`, /tokens\[1\]\.name the name "a" is taken/],
  ["a name that the audit log uses", `tokens: [{ name: socket, token: ${FIRST} }]`, /tokens\[0\]\.name "socket" is reserved/],
  ["an unknown role", `tokens: [{ name: a, role: admin, token: ${FIRST} }]`, /role "admin" is not one of read, write/],
  ["no token", "tokens: [{ name: a }]", /tokens\[0\]\.token is missing/],
  ["a broken token", 'tokens: [{ name: a, token: "a b" }]', /tokens\[0\]\.token must be printable ASCII/],
  ["a token without end", `tokens: [{ name: a, token: ${"x".repeat(1025)} }]`, /longer than 1,024/],
  ["a folder as the socket", "socket: /run/windrose/", /admin\.socket "\/run\/windrose\/" is a folder/],
  ["a long socket path", `socket: /${"s".repeat(107)}`, /admin\.socket leads to a path of more than 107 bytes/],
  ["a long folder of a socket", `socket: /${"s".repeat(99)}/a`, /more than 107 bytes/],
  ["an empty socket path", 'socket: ""', /admin\.socket must not be empty/],
];

for (const [what, admin, message] of REFUSED) {
  test(`${what} is refused`, () => {
    const problems = refuse(`${MINIMAL}admin: { ${admin} }`).join("\n");
    assert.match(problems, message);
    assert.equal(problems.includes(FIRST), false);
  });
}

test("the longest socket path is accepted, in bytes and not in characters", () => {
  const longest = `/d/${"s".repeat(104)}`;
  assert.equal(accept(`${MINIMAL}admin: { socket: ${longest} }`).snapshot.admin.socketPath, longest);
  refuse(`${MINIMAL}admin: { socket: "/d/${"ü".repeat(53)}" }`);
});

test("a relative socket path starts at the document, and its place does not change the version", (context) => {
  const [one, two] = [1, 2].map(() => temporaryDirectory(context, { "w.yaml": `${MINIMAL}admin: { socket: run/a.sock }` })) as [
    string,
    string,
  ];
  const [first, second] = [one, two].map((directory) => loadConfig(join(directory, "w.yaml"), { env: {} }));
  assert.ok(first?.ok && second?.ok);
  assert.equal(first.snapshot.admin.socketPath, join(one, "run/a.sock"));
  assert.equal(first.snapshot.version, second.snapshot.version);
});

test("tokens that change are told of without showing them, or what could be guessed from", (context) => {
  const load = (token: string, named: string) => {
    const text = `${MINIMAL}admin: { token: { file: token }, tokens: [{ name: ci, token: { file: named } }, { name: cd, token: ${named}-x }] }`;
    const directory = temporaryDirectory(context, { "w.yaml": text, token, named });
    const result = loadConfig(join(directory, "w.yaml"), { env: {} });
    assert.ok(result.ok);
    return result.document;
  };
  const [change, ...others] = diffDocuments(load(FIRST, `${FIRST}-1`), load(SECOND, `${SECOND}-2`));
  assert.deepEqual(others, []);
  const hidden = { before: "[redacted]", after: "[redacted]" };
  assert.deepEqual(
    change?.fields.toSorted((a, b) => a.path.localeCompare(b.path)),
    [
      { path: "token", ...hidden },
      { path: "tokens[0].token", ...hidden },
      { path: "tokens[1].token", ...hidden },
    ],
  );
});
