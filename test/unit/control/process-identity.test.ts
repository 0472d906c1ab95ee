import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { identify, isAlive, parseStat, signalProcess } from "../../../src/control/process-identity.js";
import { NEEDS_PROC } from "../../support/processes.js";

const REST = "1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 11 0 12345 1 1";

test("the start time is read whatever the name of the program is", () => {
  for (const name of ["node", "a b", "x) R 1 2 3", "))("]) {
    assert.deepEqual(parseStat(7, `7 (${name}) S ${REST}`), { pid: 7, startTime: "12345" });
  }
});

test("a process that has ended and is still listed is none", () => {
  assert.equal(parseStat(7, `7 (node) Z ${REST}`), null);
  assert.equal(parseStat(7, ""), null);
});

test("only the process that was meant gets a signal", { skip: NEEDS_PROC }, async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"]);
  const identity = identify(child.pid as number);
  assert.ok(identity !== null && isAlive(identity));
  assert.equal(signalProcess({ ...identity, startTime: "1" }, "SIGKILL"), false, "another one with its number");
  assert.ok(isAlive(identity));
  const exit = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  assert.equal(signalProcess(identity, "SIGTERM"), true);
  assert.equal(await exit, "SIGTERM");
  assert.equal(isAlive(identity), false);
  assert.equal(signalProcess(identity, "SIGTERM"), false);
});
