import assert from "node:assert/strict";
import { test } from "node:test";
import { createNoticeLog } from "../../../src/control/notice-log.js";

test("one line in ten seconds, which tells how many were left out", () => {
  const lines: [string, number][] = [];
  let nowMs = 0;
  const notice = createNoticeLog(
    (message, _address, others) => lines.push([message, others]),
    () => nowMs,
  );
  notice("first", "");
  for (let i = 0; i < 50; i++) notice("flood", "");
  nowMs = 9_999;
  notice("still", "");
  nowMs = 10_000;
  notice("second", "");
  assert.deepEqual(lines, [
    ["first", 0],
    ["second", 51],
  ]);
});
