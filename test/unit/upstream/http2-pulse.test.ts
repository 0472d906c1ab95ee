import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { Http2Pulse } from "../../../src/upstream/http2-pulse.js";

const PING_MS = 1_000;
let now = 1;

beforeEach(() => {
  now = 1;
  mock.method(performance, "now", () => now);
});
afterEach(() => mock.restoreAll());

/** The answer to a ping has come. */
function answer(pulse: Http2Pulse): void {
  pulse.heard(now);
}

describe("the pulse of a session", () => {
  test("is asked for after a silence, and is gone when nothing comes for as long again", () => {
    const pulse = new Http2Pulse();
    now += PING_MS - 1;
    assert.equal(pulse.judge(PING_MS), "wait");
    now += 1;
    assert.equal(pulse.judge(PING_MS), "ping");
    pulse.pinged();
    now += PING_MS - 1;
    assert.equal(pulse.judge(PING_MS), "wait");
    now += 1;
    assert.equal(pulse.judge(PING_MS), "dead");
  });

  test("is there as soon as anything is heard", () => {
    const pulse = new Http2Pulse();
    now += PING_MS;
    pulse.pinged();
    now += PING_MS / 2;
    pulse.heard(now);
    now += PING_MS / 2;
    assert.deepEqual([pulse.judge(PING_MS), pulse.silentMs], ["wait", PING_MS / 2]);
  });

  test("is asked for again after minutes only, until a stream moves", () => {
    const pulse = new Http2Pulse();
    now += PING_MS;
    pulse.pinged();
    answer(pulse);
    now += 299_999;
    assert.equal(pulse.judge(PING_MS), "wait");
    now += 1;
    assert.equal(pulse.judge(PING_MS), "ping");
    pulse.pinged();
    answer(pulse);
    pulse.moved();
    now += PING_MS;
    assert.equal(pulse.judge(PING_MS), "ping");
  });
});
