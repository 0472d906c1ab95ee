import assert from "node:assert/strict";
import { test } from "node:test";
import { newRequestId } from "../../../src/proxy/request-ids.js";

test("request ids are UUIDs of version 4, no two alike, over many batches", () => {
  const ids = Array.from({ length: 10_000 }, newRequestId);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, ids.length);
});

test("every digit that is not fixed takes every value", () => {
  const ids = Array.from({ length: 2_000 }, newRequestId);
  const fixed = [8, 13, 14, 18, 19, 23];
  for (let at = 0; at < 36; at++) {
    const seen = new Set(ids.map((id) => id[at]));
    if (!fixed.includes(at)) assert.equal(seen.size, 16, `digit ${at}`);
  }
  assert.equal(new Set(ids.map((id) => id[19])).size, 4);
});
