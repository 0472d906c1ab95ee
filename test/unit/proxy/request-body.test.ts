import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Downstream, UpstreamCall } from "../../../src/proxy/ports.js";
import { RequestBody } from "../../../src/proxy/request-body.js";

/** A recorder at each end: what the client was told, what the attempt was given. */
function ends(room = Number.POSITIVE_INFINITY) {
  const log: string[] = [];
  const downstream = { pauseBody: () => log.push("pause"), resumeBody: () => log.push("resume") } as unknown as Downstream;
  const calls = (name: string, capacity = room): UpstreamCall => {
    let left = capacity;
    return {
      write(chunk) {
        log.push(`${name}:${Buffer.from(chunk).toString().slice(0, 8)}`);
        return --left > 0;
      },
      end: () => log.push(`${name}:end`),
      pause: () => {},
      resume: () => {},
      bodyArrived: () => {},
      isConnecting: false,
      abort: () => {},
    };
  };
  return { log, downstream, calls };
}

const chunk = (text: string): Uint8Array => Buffer.from(text);

describe("RequestBody", () => {
  it("holds chunks until an attempt can take them, then keeps their order and ends", () => {
    const { log, downstream, calls } = ends();
    const body = new RequestBody(downstream, false);
    body.push(chunk("a"), false);
    body.push(chunk("b"), false);
    body.attach(calls("one"));
    body.push(chunk("c"), true);
    assert.deepEqual(log, ["one:a", "one:b", "one:c", "one:end"]);
    assert.equal(body.receivedBytes, 3);
  });

  it("stops the client when much waits, and lets it go on when all is gone", () => {
    const { log, downstream, calls } = ends();
    const body = new RequestBody(downstream, false);
    body.push(Buffer.alloc(65 * 1024, "x"), false);
    assert.deepEqual(log, ["pause"]);
    body.attach(calls("one"));
    assert.deepEqual(log, ["pause", "one:xxxxxxxx", "resume"]);
  });

  it("does not write to a full socket until it has drained", () => {
    const { log, downstream, calls } = ends(1);
    const body = new RequestBody(downstream, false);
    body.attach(calls("one"));
    body.push(chunk("a"), false);
    body.push(chunk("b"), true);
    assert.deepEqual(log, ["one:a"]);
    body.drained();
    assert.deepEqual(log, ["one:a", "one:b", "one:end"]);
  });

  it("replays everything to a second attempt when the request may be repeated", () => {
    const { log, downstream, calls } = ends();
    const body = new RequestBody(downstream, true);
    body.maxReplayBytes = 2;
    body.attach(calls("one"));
    body.push(chunk("a"), false);
    body.push(chunk("b"), true);
    assert.equal(body.canReplay, true);
    body.detach();
    body.attach(calls("two"));
    assert.deepEqual(log, ["one:a", "one:b", "one:end", "two:a", "two:b", "two:end"]);
  });

  it("replays what came so far and goes on with the rest, more than once", () => {
    const { log, downstream, calls } = ends();
    const body = new RequestBody(downstream, true);
    body.maxReplayBytes = 3;
    body.attach(calls("one"));
    body.push(chunk("a"), false);
    body.detach();
    body.push(chunk("b"), false);
    body.attach(calls("two", 1));
    body.detach();
    body.attach(calls("three"));
    body.push(chunk("c"), true);
    assert.deepEqual(log, ["one:a", "two:a", "three:a", "three:b", "three:c", "three:end"]);
  });

  it("keeps exactly as much as it may", () => {
    const { downstream, calls } = ends();
    const body = new RequestBody(downstream, true);
    body.maxReplayBytes = 5;
    body.attach(calls("one"));
    body.push(chunk("12345"), false);
    assert.equal(body.canReplay, true);
    body.push(chunk("6"), true);
    assert.equal(body.canReplay, false);
  });

  it("can always send what no attempt has taken yet, however large and whatever the method", () => {
    const { downstream } = ends();
    const body = new RequestBody(downstream, false);
    body.push(Buffer.alloc(100 * 1024), true);
    body.detach();
    assert.equal(body.canReplay, true);
  });

  it("knows that it cannot replay what it has let go", () => {
    const { downstream, calls } = ends();
    const notRepeatable = new RequestBody(downstream, false);
    assert.equal(notRepeatable.canReplay, true);
    notRepeatable.attach(calls("one"));
    notRepeatable.push(chunk("a"), false);
    assert.equal(notRepeatable.canReplay, false);

    const tooLarge = new RequestBody(downstream, true);
    tooLarge.maxReplayBytes = 64 * 1024;
    tooLarge.attach(calls("one"));
    tooLarge.push(Buffer.alloc(40 * 1024), false);
    assert.equal(tooLarge.canReplay, true);
    tooLarge.push(Buffer.alloc(40 * 1024), false);
    assert.equal(tooLarge.canReplay, false);
  });
});
