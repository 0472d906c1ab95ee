import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { AuditEntry } from "../../../src/admin/audit.js";
import { createAuditLog } from "../../../src/control/audit-log.js";
import { createProcessLog } from "../../../src/telemetry/process-log.js";

function entry(note: string): AuditEntry {
  const call = { method: "POST", path: "/v1/reload", operation: "reload", outcome: "applied", status: 200, durationMs: 1 };
  return { at: "2026-01-01T00:00:00.000Z", caller: "ci", remote: "10.0.0.9", note, versionBefore: "a", versionAfter: "b", ...call };
}

function start(t: TestContext, folder?: string) {
  const directory = folder ?? mkdtempSync(join(tmpdir(), "windrose-audit-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const lines: string[] = [];
  const log = createProcessLog("primary", { isReadable: false, write: (line) => lines.push(line) });
  return { directory, lines, log, path: join(directory, "audit.log") };
}

const notes = (entries: readonly AuditEntry[]): string[] => entries.map(({ note }) => note);

test("entries are lines of a file of the owner, and are there again after a restart", (t) => {
  const { directory, log, lines, path } = start(t);
  const trail = createAuditLog({ directory, log });
  for (const note of ["one", "two\nlines", "three"]) trail.record(entry(note));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const written = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.deepEqual(JSON.parse(written[1] ?? ""), entry("two\nlines"));
  assert.equal(written.length, 3);
  const line = JSON.parse(lines[0] ?? "");
  assert.deepEqual([line.level, line.caller, line.operation, line.outcome, line.note], ["info", "ci", "reload", "applied", "one"]);
  assert.deepEqual(notes(createAuditLog({ directory, log }).recent(2)), ["three", "two\nlines"]);
});

test("a line that a crash cut off is left out, and the next entry stands on its own", (t) => {
  const { directory, log, path } = start(t);
  createAuditLog({ directory, log }).record(entry("one"));
  appendFileSync(path, '{"at":"2026-01-01T00:00:00.000Z","operat');
  const trail = createAuditLog({ directory, log });
  trail.record(entry("two"));
  assert.deepEqual(notes(createAuditLog({ directory, log }).recent(9)), ["two", "one"]);
});

test("files stay within their size and number, and reading goes across two of them", (t) => {
  const { directory, log } = start(t);
  const trail = createAuditLog({ directory, log, maxFileBytes: 1000 });
  for (let i = 0; i < 100; i++) trail.record(entry(`n${i}`));
  const files = readdirSync(directory).sort();
  assert.deepEqual(files, ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3", "audit.log.4"]);
  for (const file of files) {
    const { size, mode } = statSync(join(directory, file));
    assert.ok(size <= 1000);
    assert.equal(mode & 0o777, 0o600);
  }
  assert.deepEqual(notes(createAuditLog({ directory, log }).recent(4)), ["n99", "n98", "n97", "n96"]);
});

test("two processes share the file during an upgrade", (t) => {
  const { directory, log } = start(t);
  const [old, young] = [createAuditLog({ directory, log, maxFileBytes: 1000 }), createAuditLog({ directory, log, maxFileBytes: 1000 })];
  for (let i = 0; i < 5; i++) {
    old.record(entry(`old${i}`));
    young.record(entry(`young${i}`));
  }
  const recent = notes(createAuditLog({ directory, log }).recent(4));
  assert.deepEqual(recent, ["young4", "old4", "young3", "old3"]);
});

test("a folder that cannot be written costs the file, not the order; it is said once", (t) => {
  const { directory, log, lines, path } = start(t);
  mkdirSync(path);
  const trail = createAuditLog({ directory, log });
  trail.record(entry("one"));
  trail.record(entry("two"));
  assert.deepEqual(notes(trail.recent(9)), ["two", "one"]);
  assert.equal(lines.filter((line) => line.includes('"level":"error"')).length, 1);
});

test("without a folder the last thousand are kept in memory", (t) => {
  const { log } = start(t);
  const trail = createAuditLog({ directory: null, log });
  for (let i = 0; i < 1100; i++) trail.record(entry(`n${i}`));
  assert.equal(trail.recent(5000).length, 1000);
  assert.equal(trail.recent(1)[0]?.note, "n1099");
});
