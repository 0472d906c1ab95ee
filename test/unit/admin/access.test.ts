import assert from "node:assert/strict";
import { test } from "node:test";
import { type Access, createJudge, createTokenTable, type Door, isLoopbackHost, namesLoopback } from "../../../src/admin/access.js";
import { READER, TOKENS, WRITER } from "./fixtures.js";

test("loopback is 127/8, ::1 and localhost, and nothing that only looks like it", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]) {
    assert.ok(isLoopbackHost(host), host);
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", ""]) {
    assert.ok(!isLoopbackHost(host), host);
  }
});

test("a Host field names loopback with or without a port", () => {
  for (const field of ["localhost", "localhost:9901", "127.0.0.1:1", "[::1]", "[::1]:9901"]) assert.ok(namesLoopback(field), field);
  const foreign = [undefined, "", "evil.example:9901", "localhost:evil.example", "localhost@evil.example", "[::1].evil.example", "::1"];
  for (const field of foreign) assert.ok(!namesLoopback(field), field);
});

test("only a very token opens, and says whose it is", () => {
  const callerOf = createTokenTable(TOKENS);
  assert.deepEqual(callerOf(`Bearer ${WRITER}`), { name: "ci", role: "write" });
  assert.deepEqual(callerOf(`bearer  ${READER} `), { name: "grafana", role: "read" });
  const wrong = [
    undefined,
    "",
    WRITER,
    "Bearer",
    "Bearer ",
    `Bearer ${WRITER.slice(1)}`,
    `Bearer ${WRITER}2`,
    `Basic ${WRITER}`,
    `Bearer x ${WRITER}`,
  ];
  for (const field of wrong) assert.equal(callerOf(field), null, field);
});

/** Door, method, needed access, header fields → whom it lets in, or the status that refuses. */
const LOCAL = { host: "localhost:9901" };
const AS_READER = { ...LOCAL, authorization: `Bearer ${READER}` };
const AS_WRITER = { ...LOCAL, authorization: `Bearer ${WRITER}` };

type Row = readonly [door: Door, method: string, need: Access, headers: Record<string, string>, expected: string | number];

function judgeAll(tokens: typeof TOKENS, rows: readonly Row[]): void {
  const judge = createJudge(tokens);
  for (const [door, method, need, headers, expected] of rows) {
    const verdict = judge({ door, method, headers }, need);
    assert.equal(
      verdict.ok ? verdict.caller.name : verdict.answer.status,
      expected,
      `${door} ${method} ${need} ${JSON.stringify(headers)}`,
    );
  }
}

test("with tokens, each does what its role allows", () => {
  judgeAll(TOKENS, [
    ["loopback", "GET", "read", AS_READER, "grafana"],
    ["loopback", "GET", "read", AS_WRITER, "ci"],
    ["loopback", "POST", "write", AS_WRITER, "ci"],
    ["loopback", "POST", "write", AS_READER, 403],
    ["loopback", "GET", "write", AS_READER, 403],
    ["loopback", "GET", "read", LOCAL, 401],
    ["loopback", "POST", "write", LOCAL, 401],
    ["loopback", "GET", "open", {}, "anonymous"],
    ["network", "GET", "read", { host: "gateway.example" }, 401],
    ["network", "POST", "write", { host: "gateway.example", authorization: `Bearer ${WRITER}` }, "ci"],
  ]);
});

test("without tokens, callers on loopback may read, nobody may write but through the socket", () => {
  judgeAll(
    [],
    [
      ["loopback", "GET", "read", LOCAL, "anonymous"],
      ["loopback", "POST", "read", LOCAL, "anonymous"],
      ["loopback", "POST", "write", LOCAL, 403],
      ["loopback", "POST", "write", AS_WRITER, 403],
      ["socket", "POST", "write", {}, "socket"],
      ["socket", "GET", "write", {}, "socket"],
    ],
  );
});

test("a refused write says what to configure", () => {
  const verdict = createJudge([])({ door: "loopback", method: "POST", headers: LOCAL }, "write");
  assert.ok(!verdict.ok);
  assert.match(verdict.answer.body, /admin\.token.*admin\.socket/);
});

test("web pages may not change anything, with whatever token, over whatever door", () => {
  judgeAll(TOKENS, [
    ["loopback", "POST", "write", { ...AS_WRITER, origin: "https://evil.example" }, 403],
    ["loopback", "POST", "write", { ...AS_WRITER, origin: "null" }, 403],
    ["loopback", "POST", "write", { ...AS_WRITER, origin: "https://localhost:9901" }, 403],
    ["loopback", "POST", "write", { ...AS_WRITER, "sec-fetch-site": "cross-site" }, 403],
    ["loopback", "POST", "write", { ...AS_WRITER, "sec-fetch-site": "same-site" }, 403],
    ["loopback", "POST", "write", { ...AS_WRITER, origin: "http://localhost:9901", "sec-fetch-site": "same-origin" }, "ci"],
    ["loopback", "POST", "read", { ...AS_READER, origin: "https://evil.example" }, 403],
    ["network", "DELETE", "read", { ...AS_WRITER, origin: "https://evil.example" }, 403],
    ["socket", "POST", "write", { origin: "https://evil.example" }, 403],
    ["loopback", "GET", "read", { ...AS_READER, host: "evil.example" }, 421],
    ["loopback", "POST", "write", { authorization: `Bearer ${WRITER}` }, 421],
  ]);
});
