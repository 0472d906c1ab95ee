import assert from "node:assert/strict";
import { test } from "node:test";
import { CrashWindow } from "../../../src/control/crash-window.js";

const SPEC = { stallTimeoutMs: 10_000, maxWorkerMemoryBytes: 0, maxCrashes: 3, crashWindowMs: 1_000 };

function bench() {
  const lines: string[] = [];
  const note = (...words: unknown[]): void => void lines.push(String(words.at(-1)));
  const gauge: boolean[] = [];
  const crashes = new CrashWindow({ error: note, info: note }, { recordCrashLoop: (isCrashing) => void gauge.push(isCrashing) });
  return { lines, gauge, crashes };
}

test("so many crashes within the window are a trouble until they are fewer, and each change is said once", () => {
  const { lines, gauge, crashes } = bench();
  crashes.add(SPEC, 0);
  crashes.add(SPEC, 400);
  assert.equal(crashes.trouble(SPEC, 500), null);
  crashes.add(SPEC, 900);
  assert.equal(crashes.trouble(SPEC, 900), "3 workers crashed within 1 s");
  assert.equal(crashes.trouble(SPEC, 999), "3 workers crashed within 1 s");
  assert.equal(crashes.trouble(SPEC, 1_000), null);
  assert.deepEqual(lines, ["workers crash too often: not ready", "workers have stopped crashing: ready again"]);
  assert.deepEqual(gauge, [true, false]);
});

test("crashes that are far enough apart are none, and 0 never is one", () => {
  const { lines, crashes } = bench();
  for (let atMs = 0; atMs < 10_000; atMs += 600) crashes.add(SPEC, atMs);
  assert.equal(crashes.trouble(SPEC, 9_600), null);
  for (let i = 0; i < 5_000; i++) crashes.add({ ...SPEC, maxCrashes: 0 }, 9_700);
  assert.equal(crashes.trouble({ ...SPEC, maxCrashes: 0 }, 9_700), null);
  assert.deepEqual(lines, []);
});
