/** gRPC-Web, as browsers speak it, through the whole gateway to a real gRPC service: over HTTP/1.1 on both kinds of listeners. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { ECHO_SERVICE, type GrpcService, startGrpcService } from "../support/grpc-service.js";
import { findFreePort } from "../support/upstream.js";

const BINARY = "application/grpc-web+proto";
const TEXT = "application/grpc-web-text+proto";
const TRAILERS_FLAG = 0x80;

function frame(message: string): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Messages, and the trailers behind them. */
function readFrames(body: Buffer): { messages: string[]; trailers: Map<string, string> } {
  const messages: string[] = [];
  const trailers = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    const text = body.toString("latin1", at + 5, end);
    if (body[at] === TRAILERS_FLAG) {
      assert.equal(end, body.length, "nothing comes behind the trailers");
      for (const line of text.split("\r\n").slice(0, -1))
        trailers.set(line.split(": ", 1)[0] as string, line.slice(line.indexOf(": ") + 2));
    } else messages.push(text);
    at = end;
  }
  return { messages, trailers };
}

/** Group by group, as a reader must that gets pieces, each with its own padding. */
function fromBase64(text: string): Buffer {
  assert.equal(text.length % 4, 0);
  return Buffer.concat((text.match(/.{4}/g) ?? []).map((group) => Buffer.from(group, "base64")));
}

describe("gRPC-Web", () => {
  let service: GrpcService;
  let gateway: Gateway;

  before(async () => {
    service = await startGrpcService();
    gateway = await startGateway(`
listeners:
  - { name: http, bind: "127.0.0.1:0", protocol: http }
  - { name: h2c, bind: "127.0.0.1:0", protocol: h2c }
routes:
  - { name: echo, match: [{ path: { value: /test.Echo } }], filters: [{ grpcWeb: {} }], backends: [{ service: echo }] }
  - { name: dead, match: [{ path: { value: /test.Dead } }], filters: [{ grpcWeb: {} }], backends: [{ service: dead }] }
services:
  - { name: echo, protocol: h2c, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: dead, protocol: h2c, endpoints: { static: [{ address: "127.0.0.1:${await findFreePort()}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    service?.close();
  });

  async function call(listener: string, path: string, type: string, body: Buffer | string): Promise<{ response: Response; body: Buffer }> {
    const headers = { "content-type": type, "x-grpc-web": "1" };
    const response = await fetch(`http://127.0.0.1:${gateway.port(listener)}${path}`, { method: "POST", headers, body });
    return { response, body: Buffer.from(await response.arrayBuffer()) };
  }

  for (const listener of ["http", "h2c"]) {
    it(`carries unary calls in binary mode (${listener})`, async () => {
      const { response, body } = await call(listener, ECHO_SERVICE.unary.path, BINARY, frame("hello"));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), BINARY);
      const { messages, trailers } = readFrames(body);
      assert.deepEqual(messages, ["hello"]);
      assert.equal(trailers.get("grpc-status"), "0");
      assert.equal(trailers.get("x-trailer"), "t");
    });

    it(`carries streams of answers in text mode (${listener})`, async () => {
      const { response, body } = await call(listener, ECHO_SERVICE.repeat.path, TEXT, frame("x").toString("base64"));
      assert.equal(response.headers.get("content-type"), TEXT);
      const { messages, trailers } = readFrames(fromBase64(body.toString("latin1")));
      assert.deepEqual(messages, ["x0", "x1", "x2", "x3", "x4"]);
      assert.equal(trailers.get("grpc-status"), "0");
    });

    it(`says what went wrong, at the service and in the gateway (${listener})`, async () => {
      const failed = await call(listener, ECHO_SERVICE.fail.path, BINARY, frame("x"));
      const status = failed.response.headers.get("grpc-status") ?? readFrames(failed.body).trailers.get("grpc-status");
      assert.equal(status, "9");
      const dead = await call(listener, "/test.Dead/x", BINARY, frame("x"));
      assert.equal(dead.response.status, 200);
      assert.deepEqual(
        [dead.response.headers.get("content-type"), dead.response.headers.get("grpc-status")],
        ["application/grpc-web", "14"],
      );
      const malformed = await call(listener, ECHO_SERVICE.unary.path, TEXT, "no base64!");
      assert.equal(malformed.response.headers.get("grpc-status"), "13");
      assert.match(decodeURIComponent(malformed.response.headers.get("grpc-message") ?? ""), /Malformed request/);
    });
  }
});
