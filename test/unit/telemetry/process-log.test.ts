import assert from "node:assert/strict";
import { test } from "node:test";
import { createProcessLog } from "../../../src/telemetry/process-log.js";

function capture(isReadable: boolean) {
  const lines: string[] = [];
  const log = createProcessLog("primary", { isReadable, write: (line) => void lines.push(line), bindings: { zone: "a" } });
  return { log, lines };
}

test("a program gets JSON with role, level by name and ISO time", () => {
  const { log, lines } = capture(false);
  log.warn({ worker: 2 }, "worker slow");
  const entry = JSON.parse(lines[0] ?? "");
  assert.equal(entry.level, "warn");
  assert.equal(entry.role, "primary");
  assert.equal(entry.zone, "a");
  assert.equal(entry.worker, 2);
  assert.equal(entry.msg, "worker slow");
  assert.ok(!Number.isNaN(Date.parse(entry.time)));
});

test("secrets are replaced at every depth that is watched, under names with hyphens too", () => {
  const { log, lines } = capture(false);
  log.info({ token: "s3cret", admin: { token: "s3cret" }, request: { headers: { authorization: "s3cret", "set-cookie": "s3cret" } } }, "x");
  assert.ok(!lines[0]?.includes("s3cret"));
  assert.equal(lines[0]?.match(/\[redacted\]/g)?.length, 4);
});

test("a person gets one line with the fields after the message", () => {
  const { log, lines } = capture(true);
  log.info({ worker: 2, ports: { public: 8443 } }, "worker ready");
  assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d\.\d{3} INFO {2}worker ready .*worker=2 ports=\{"public":8443\}\n$/);
});

test("an error is shown with its stack", () => {
  const { log, lines } = capture(true);
  log.error({ err: new Error("broken pipe") }, "worker ended");
  assert.match(lines[0] ?? "", /ERROR worker ended[^\n]*\n {2}Error: broken pipe\n {2} {4}at /);
});

test("control characters do not reach the terminal", () => {
  const { log, lines } = capture(true);
  log.info({ path: "\u001b[2J" }, "a\u001b[31mb\nc");
  assert.ok(!lines[0]?.includes("\u001b"));
  assert.equal(lines[0]?.split("\n").length, 2);
});
