import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { chooseTarget } from "../../../src/cli/admin-target.js";

function choose(admin: string | undefined, env: Record<string, string> = {}, tokenFile?: string) {
  const chosen = chooseTarget({ admin, "token-file": tokenFile }, env);
  assert.ok(chosen.ok, chosen.ok ? "" : chosen.message);
  return chosen.value;
}

function refused(admin: string | undefined, env: Record<string, string> = {}, tokenFile?: string): string {
  const chosen = chooseTarget({ admin, "token-file": tokenFile }, env);
  assert.ok(!chosen.ok);
  assert.equal(chosen.code, 64);
  return chosen.message;
}

test("the flag wins over the variable, the variable over the default", () => {
  const other = { WINDROSE_ADMIN: "http://10.0.0.1:1" };
  assert.deepEqual(choose(undefined), {
    name: "http://127.0.0.1:9901",
    connection: { host: "127.0.0.1", port: 9901 },
    authority: "127.0.0.1:9901",
    token: "",
  });
  assert.equal(choose(undefined, { WINDROSE_ADMIN: "" }).name, "http://127.0.0.1:9901");
  assert.equal(choose(undefined, other).name, "http://10.0.0.1:1");
  assert.equal(choose("http://localhost:2", other).name, "http://localhost:2");
});

test("hosts, IPv6 addresses and sockets are understood", () => {
  assert.deepEqual(choose("http://[::1]:9901").connection, { host: "::1", port: 9901 });
  assert.equal(choose("http://[::1]:9901").authority, "[::1]:9901");
  assert.deepEqual(choose("http://gateway/").connection, { host: "gateway", port: 80 });
  for (const text of ["unix:/run/a.sock", "unix:///run/a.sock"]) assert.deepEqual(choose(text).connection, { socketPath: "/run/a.sock" });
  assert.deepEqual(choose("unix:a.sock").connection, { socketPath: resolve("a.sock") });
});

const WRONG: readonly (readonly [string, RegExp])[] = [
  ["https://gateway:9901", /plain HTTP/],
  ["gateway:9901", /http:\/\/HOST:PORT or unix:PATH/],
  ["localhost", /http:\/\/HOST:PORT or unix:PATH/],
  ["ftp://gateway", /http:\/\/HOST:PORT/],
  ["http://me:s3cret@gateway:9901", /must not hold a user or password; use --token-file/],
  ["http://gateway:9901/admin", /end after the port/],
  ["http://gateway:9901/?token=s3cret", /end after the port/],
  ["http://gateway:99999", /HOST:PORT/],
  ["unix:", /needs the path/],
  [`unix:/${"s".repeat(107)}`, /at most 107 bytes/],
];

for (const [admin, message] of WRONG) {
  test(`--admin ${admin.slice(0, 40)} is refused without repeating it`, () => {
    assert.match(refused(admin), message);
    assert.equal(refused(admin).includes("s3cret"), false);
  });
}

function tokenFiles(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "windrose-token-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a token comes from a file, else from the variable, without the white space around it", (t) => {
  const folder = tokenFiles(t);
  writeFileSync(join(folder, "token"), " from-file\r\n");
  const env = { WINDROSE_ADMIN_TOKEN: "from-variable\n" };
  assert.equal(choose(undefined, env).token, "from-variable");
  assert.equal(choose(undefined, env, join(folder, "token")).token, "from-file");
  assert.equal(choose(undefined).token, "");
});

test("files that hold no token are refused, and never shown", (t) => {
  const folder = tokenFiles(t);
  for (const [name, content] of Object.entries({
    empty: "\n",
    two: "one s3cret",
    large: "s3cret".repeat(1000),
    binary: "s3cret\u0001",
    wide: "s3crét",
  })) {
    writeFileSync(join(folder, name), content);
    assert.doesNotMatch(refused(undefined, {}, join(folder, name)), /s3cr/);
  }
  mkdirSync(join(folder, "folder"));
  assert.match(refused(undefined, {}, join(folder, "folder")), /it is a directory/);
  assert.match(refused(undefined, {}, join(folder, "nowhere")), /cannot read \S+nowhere: ENOENT/);
  assert.match(refused(undefined, { WINDROSE_ADMIN_TOKEN: "a b" }), /WINDROSE_ADMIN_TOKEN does not hold one token/);
});
