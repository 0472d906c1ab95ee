import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type GrpcService, grpcMessage, grpcTexts, startGrpcService } from "../support/grpc-service.js";
import { http2TargetOf, Notes, requestOf, startConnector, until } from "../unit/upstream/support.js";

const OK = "0";
const FAILED_PRECONDITION = "9";
const UNIMPLEMENTED = "12";
const DEADLINE_EXCEEDED = "4";

let service: GrpcService;
let bench: ReturnType<typeof startConnector>;

before(async () => {
  service = await startGrpcService();
});
after(() => service.close());
beforeEach(() => {
  bench = startConnector();
});
afterEach(() => bench.close());

/** One call, as a listener would hand it on. */
class GrpcNotes extends Notes {
  readonly chunks: Buffer[] = [];

  override onBody(chunk: Uint8Array): void {
    super.onBody(chunk);
    this.chunks.push(Buffer.from(chunk));
  }

  get texts(): string[] {
    return grpcTexts(Buffer.concat(this.chunks));
  }

  /** From the trailers, or from the head when that is all there is. */
  get grpcStatus(): string | undefined {
    const fields = this.trailers ?? this.headers;
    return fields[fields.indexOf("grpc-status") + 1];
  }
}

function call(method: string, messages: readonly string[], ...headers: string[]): GrpcNotes {
  const notes = new GrpcNotes();
  notes.onConnected = () => {
    setImmediate(() => {
      for (const message of messages) notes.call?.write(grpcMessage(message));
      notes.call?.end();
    });
  };
  return notes.start(bench.connector, http2TargetOf(service.port), requestFor(method, headers)) as GrpcNotes;
}

function requestFor(method: string, headers: readonly string[] = []) {
  const fields = ["content-type", "application/grpc", "user-agent", "test", ...headers];
  return requestOf({ method: "POST", target: `/test.Echo/${method}`, headers: fields, bodyLength: -1, acceptsTrailers: true });
}

describe("a gRPC service", () => {
  test("answers a unary call, with metadata ahead and behind", async () => {
    const notes = call("unary", ["hello"], "x-ask", "me");
    assert.equal(await notes.over, "end", notes.detail);
    assert.deepEqual([notes.status, notes.texts, notes.grpcStatus], [200, ["hello"], OK]);
    assert.equal(notes.headers[notes.headers.indexOf("x-asked") + 1], "me");
    assert.equal(notes.trailers?.[notes.trailers.indexOf("x-trailer") + 1], "t");
  });

  test("answers a stream of requests, and with a stream of answers", async () => {
    const collected = call("collect", ["a", "b", "c"]);
    const repeated = call("repeat", ["x"]);
    assert.deepEqual([await collected.over, await repeated.over], ["end", "end"]);
    assert.deepEqual([collected.texts, collected.grpcStatus], [["abc"], OK]);
    assert.deepEqual([repeated.texts, repeated.grpcStatus], [["x0", "x1", "x2", "x3", "x4"], OK]);
  });

  test("converses: each message is answered before the next is sent", async () => {
    const notes = new GrpcNotes();
    notes.start(bench.connector, http2TargetOf(service.port), requestFor("chat"));
    await until(() => notes.events.includes("connected"), "the connection");
    for (let i = 0; i < 10; i++) {
      notes.call?.write(grpcMessage(String(i)));
      await until(() => notes.texts.length === i + 1, `answer ${i}`);
    }
    notes.call?.end();
    assert.equal(await notes.over, "end", notes.detail);
    assert.deepEqual([notes.texts.at(-1), notes.grpcStatus], ["<9>", OK]);
  });

  test("fails with a status in trailers, or in the head alone", async () => {
    const failed = call("fail", ["x"]);
    const unknown = call("nothing", ["x"]);
    assert.deepEqual([await failed.over, await unknown.over], ["end", "end"]);
    assert.deepEqual([failed.grpcStatus, unknown.grpcStatus], [FAILED_PRECONDITION, UNIMPLEMENTED]);
    assert.deepEqual([unknown.trailers, unknown.bodyBytes], [null, 0]);
  });

  test("keeps to the deadline that it is told", async () => {
    const notes = call("never", ["x"], "grpc-timeout", "50m");
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(notes.grpcStatus, DEADLINE_EXCEEDED);
  });

  test("learns that a call was given up, and serves others on the same connection", async () => {
    const before = service.cancelled();
    const notes = call("never", ["x"]);
    await until(() => notes.call !== null && bench.connector.stats().streams === 1, "the call");
    const other = call("unary", ["y"]);
    assert.equal(await other.over, "end", other.detail);
    notes.call?.abort();
    await until(() => service.cancelled() > before, "the service to learn it");
    const next = call("unary", ["z"]);
    assert.equal(await next.over, "end", next.detail);
    assert.equal(bench.connector.stats().openedConnections, 1);
  });

  test("is slowed down by a slow consumer, and then sends all", async () => {
    const notes = call("flood", ["x"]);
    notes.onHead = () => notes.call?.pause();
    await until(() => service.flooded() > 5, "the flood");
    const other = call("unary", ["y"]);
    assert.equal(await other.over, "end", other.detail);
    assert.ok(service.flooded() < 500, `${service.flooded()} messages`);
    notes.call?.resume();
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(notes.bodyBytes, 2_000 * (16_384 + 5));
  });
});
