import assert from "node:assert/strict";
import { test } from "node:test";
import { Http2Connection } from "../../../../src/wire/http2/connection.js";
import type { Http2Events } from "../../../../src/wire/http2/events.js";
import { DEFAULT_HTTP2_LIMITS } from "../../../../src/wire/http2/limits.js";
import { OutputPump } from "../../../../src/wire/http2/output-pump.js";

const ignore = (): void => {};
const EVENTS: Http2Events = {
  onRequest: ignore,
  onOversizedRequest: ignore,
  onRefusedRequest: ignore,
  onInterim: ignore,
  onResponse: ignore,
  onData: ignore,
  onTrailers: ignore,
  onReset: ignore,
  onWritable: ignore,
  onSettings: ignore,
  onPingAck: ignore,
  onGoAway: ignore,
};
const HEAD = {
  method: "POST",
  scheme: "http",
  authority: "a",
  path: "/",
  protocol: "",
  headers: [],
  bodyLength: -1,
  acceptsTrailers: false,
};

class Sink {
  writable = true;
  writableLength = 0;
  isEnded = false;
  readonly sizes: number[] = [];
  readonly waiting: (() => void)[] = [];
  written = 0;
  write(bytes: Uint8Array, onWritten?: () => void): void {
    this.sizes.push(bytes.length);
    this.written += bytes.length;
    if (onWritten !== undefined) this.waiting.push(onWritten);
  }
  end(): void {
    this.isEnded = true;
    this.writable = false;
  }
}

function start(sink: Sink): { connection: Http2Connection; pump: OutputPump } {
  const connection = new Http2Connection("client", DEFAULT_HTTP2_LIMITS, EVENTS);
  const pump: OutputPump = new OutputPump(sink, connection, { onWritten: () => pump.flush(), allocate: (bytes) => new Uint8Array(bytes) });
  return { connection, pump };
}

test("small output leaves at once; large output one piece at a time", () => {
  const sink = new Sink();
  const { connection, pump } = start(sink);
  pump.flush();
  assert.equal(sink.sizes.length, 1);
  const stream = connection.sendRequest(HEAD, false);
  assert.ok(stream !== null);
  assert.equal(connection.sendData(stream, new Uint8Array(60_000), false), 60_000);
  pump.flush();
  const { length } = sink.sizes;
  assert.equal(sink.waiting.length, 1, "a large piece is reported when it has left");
  connection.ping();
  pump.flush();
  assert.equal(sink.sizes.length, length, "and what follows waits for that");
  sink.waiting.shift()?.();
  assert.equal(sink.sizes.length, length + 1);
  assert.ok(sink.written > 60_000);
});

test("the end comes behind the last byte, and nothing to a sink that is gone", () => {
  const sink = new Sink();
  const { connection, pump } = start(sink);
  pump.endWhenEmpty();
  pump.flush();
  assert.ok(sink.isEnded && sink.written > 0);
  connection.ping();
  pump.flush();
  assert.equal(sink.sizes.length, 1);
});
