import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openFilesWarning, parseOpenFileLimit, readOpenFileLimit, reservedFiles, socketsWithin } from "../../../src/control/open-files.js";
import { createSocketBudget, downstreamShare } from "../../../src/control/socket-budget.js";
import { listenerSpec } from "../../integration/uws-harness.js";

const onLinux = process.platform === "linux" ? false : "reads /proc";

test("the soft limit is what counts", () => {
  const text =
    "Limit                     Soft Limit           Hard Limit           Units\nMax open files            256                  20000                files\n";
  assert.equal(parseOpenFileLimit(text), 256);
});

test("an unlimited or missing line means unknown", () => {
  assert.equal(parseOpenFileLimit("Max open files            unlimited            unlimited            files\n"), 0);
  assert.equal(parseOpenFileLimit(""), 0);
});

test("Node.js has raised the soft limit to the hard one", { skip: onLinux }, () => {
  const [, hard] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
  assert.equal(readOpenFileLimit(), Number(hard));
});

test("some files are kept back, but never more than half of them", () => {
  assert.equal(socketsWithin(20_000, 128), 19_872);
  assert.equal(socketsWithin(100, 128), 50);
  assert.equal(socketsWithin(0, 128), 0);
});

test("more is kept back for a primary in the same process, and for listeners that accept in bursts", () => {
  const [plain, aged] = [listenerSpec(), listenerSpec({ connectionAgeMs: 60_000 })];
  assert.equal(reservedFiles([plain, plain], false), 128);
  assert.equal(reservedFiles([plain], true), 256);
  assert.equal(reservedFiles([plain, aged, aged], false), 128 + 2 * 512);
});

test("callers get three quarters, services the rest and what callers leave", () => {
  const budget = createSocketBudget(8);
  for (let i = 0; i < 6; i++) assert.equal(budget.openedDownstream(), true);
  assert.equal(budget.openedDownstream(), false);
  budget.closedDownstream();
  for (let i = 0; i < 2; i++) {
    assert.equal(budget.hasUpstreamRoom, true);
    budget.openedUpstream();
  }
  assert.equal(budget.hasUpstreamRoom, false);
  budget.closedDownstream();
  assert.equal(budget.hasUpstreamRoom, true);
  budget.openedUpstream();
  assert.equal(budget.openedDownstream(), false, "services may hold what callers left");
  budget.closedDownstream();
  budget.closedUpstream();
  assert.equal(budget.openedDownstream(), true);
});

test("without a known limit there is room for ever", () => {
  const budget = createSocketBudget(0);
  for (let i = 0; i < 100_000; i++) assert.equal(budget.openedDownstream() && budget.hasUpstreamRoom, true);
});

test("a configuration that promises too much is told what to raise, and to what", () => {
  const listeners = [listenerSpec({ limits: { maxConnections: 700 } }), listenerSpec({ limits: { maxConnections: 800 } })];
  const warning = openFilesWarning(listeners, 1024, socketsWithin(1024, 128)) ?? "";
  assert.match(warning, /promises 800 per worker, but at most 1024 open files leave room for 672: raise the limit to 1195 \(ulimit -n/);
  assert.equal(openFilesWarning(listeners, 1195, socketsWithin(1195, 128)), null, "what it says is enough");
  assert.notEqual(openFilesWarning(listeners, 1194, socketsWithin(1194, 128)), null, "and no more than that");
  assert.equal(downstreamShare(0), Number.POSITIVE_INFINITY);
  assert.equal(openFilesWarning(listeners, 0, 0), null);
});
