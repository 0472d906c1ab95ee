import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createGuardFile } from "../../../../src/control/configuration/guard-file.js";

const RECORD = { version: "3f2a", previousSequence: 7, maxErrorRate: 0.02, endsAtMs: 1_700_000_000_000 };

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "windrose-guard-"));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function never(error: unknown): void {
  throw error;
}

test("what is watched is there for the next process, for its owner only, until it is watched no more", (context) => {
  const directory = folder(context);
  const file = createGuardFile(directory, never);
  assert.equal(file.read(), null);
  file.write(RECORD);
  assert.deepEqual(createGuardFile(directory, never).read(), RECORD);
  assert.equal(statSync(join(directory, "guard.json")).mode & 0o777, 0o600);
  file.write(null);
  file.write(null);
  assert.deepEqual(readdirSync(directory), []);
});

test("what is no such file is none", (context) => {
  const directory = folder(context);
  for (const text of ["", "null", "[]", "7", '{"version":"3f2a"}', JSON.stringify({ ...RECORD, endsAtMs: null }), "{".repeat(100_000)]) {
    writeFileSync(join(directory, "guard.json"), text);
    assert.equal(createGuardFile(directory, never).read(), null, text.slice(0, 50));
  }
});

test("a disk that refuses is told of, and nothing is thrown", (context) => {
  const directory = folder(context);
  mkdirSync(join(directory, "guard.json.tmp"));
  const failures: unknown[] = [];
  const file = createGuardFile(directory, (error) => failures.push(error));
  file.write(RECORD);
  assert.equal(failures.length, 1);
  assert.equal(file.read(), null);
  createGuardFile(null, never).write(RECORD);
});
