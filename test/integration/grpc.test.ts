/** gRPC through the whole gateway, with @grpc/grpc-js at both ends: over h2c and h2, to services over h2c. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Client, credentials, Metadata, type MetadataValue, type ServiceError, status } from "@grpc/grpc-js";
import { developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { ECHO_SERVICE, type GrpcService, startGrpcService } from "../support/grpc-service.js";
import { findFreePort } from "../support/upstream.js";

const bytes = (value: Buffer): Buffer => value;

describe("gRPC through the gateway", () => {
  let service: GrpcService;
  let gateway: Gateway;
  let clients: Record<string, Client> = {};

  before(async () => {
    service = await startGrpcService();
    const files = await developmentCertificates();
    gateway = await startGateway(
      `
listeners:
  - { name: h2c, bind: "127.0.0.1:0", protocol: h2c }
  - { name: h2, bind: "127.0.0.1:0", protocol: h2, tls: ${EDGE_TLS} }
routes:
  - { name: echo, match: [{ path: { type: PathPrefix, value: /test.Echo } }], backends: [{ service: echo }] }
  - { name: dead, match: [{ path: { type: PathPrefix, value: /test.Dead } }], backends: [{ service: dead }] }
  - name: short
    match: [{ path: { type: Exact, value: /test.Echo/short } }]
    timeouts: { request: 200ms }
    backends: [{ service: echo }]
services:
  - { name: echo, protocol: h2c, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: dead, protocol: h2c, endpoints: { static: [{ address: "127.0.0.1:${await findFreePort()}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files },
    );
    const roots = credentials.createSsl(Buffer.from(files["ca.pem"]));
    clients = {
      h2c: new Client(`127.0.0.1:${gateway.port("h2c")}`, credentials.createInsecure()),
      h2: new Client(`localhost:${gateway.port("h2")}`, roots),
    };
  });
  after(async () => {
    for (const client of Object.values(clients)) client.close();
    await gateway?.stop();
    service?.close();
  });

  interface Outcome {
    readonly text: string;
    readonly code: number;
    readonly details: string;
    readonly asked: MetadataValue | undefined;
    readonly trailer: MetadataValue | undefined;
  }

  function unary(client: Client, path: string, text: string, options: { deadlineMs?: number; metadata?: Metadata } = {}): Promise<Outcome> {
    return new Promise((resolve) => {
      let asked: MetadataValue | undefined;
      let result = "";
      const callOptions = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
      const done = (_error: ServiceError | null, value?: Buffer): void => {
        result = value?.toString() ?? "";
      };
      const call = client.makeUnaryRequest(path, bytes, bytes, Buffer.from(text), options.metadata ?? new Metadata(), callOptions, done);
      call.on("metadata", (metadata: Metadata) => {
        asked = metadata.get("x-asked")[0];
      });
      call.on("status", ({ code, details, metadata }) =>
        setImmediate(() => resolve({ text: result, code, details, asked, trailer: metadata.get("x-trailer")[0] })),
      );
    });
  }

  for (const name of ["h2c", "h2"]) {
    const client = (): Client => clients[name] as Client;

    it(`carries unary calls with metadata ahead and behind (${name})`, async () => {
      const metadata = new Metadata();
      metadata.set("x-ask", "me");
      const outcome = await unary(client(), ECHO_SERVICE.unary.path, "hello", { metadata });
      assert.deepEqual(outcome, { text: "hello", code: status.OK, details: "OK", asked: "me", trailer: "t" });
    });

    it(`carries many calls at a time (${name})`, async () => {
      const outcomes = await Promise.all(Array.from({ length: 300 }, (_, i) => unary(client(), ECHO_SERVICE.unary.path, `n${i}`)));
      outcomes.forEach(({ code, text }, i) => assert.deepEqual([code, text], [status.OK, `n${i}`]));
    });

    it(`carries streams of requests, of answers, and conversations (${name})`, async () => {
      const collected = await new Promise<string>((resolve, reject) => {
        const done = (error: ServiceError | null, value?: Buffer): void => (error === null ? resolve(String(value)) : reject(error));
        const call = client().makeClientStreamRequest(ECHO_SERVICE.collect.path, bytes, bytes, done);
        for (const part of ["a", "b", "c"]) call.write(Buffer.from(part));
        call.end();
      });
      assert.equal(collected, "abc");
      const repeated: string[] = [];
      const answers = client().makeServerStreamRequest(ECHO_SERVICE.repeat.path, bytes, bytes, Buffer.from("x"));
      for await (const part of answers) repeated.push(String(part));
      assert.deepEqual(repeated, ["x0", "x1", "x2", "x3", "x4"]);
      const chat = client().makeBidiStreamRequest(ECHO_SERVICE.chat.path, bytes, bytes);
      const heard: string[] = [];
      chat.on("data", (part: Buffer) => heard.push(String(part)));
      const ended = new Promise<number>((resolve) => chat.on("status", ({ code }) => resolve(code)));
      for (let i = 0; i < 10; i++) {
        chat.write(Buffer.from(String(i)));
        await eventually(() => heard.length === i + 1, `answer ${i}`);
      }
      chat.end();
      assert.deepEqual([await ended, heard.at(-1)], [status.OK, "<9>"]);
    });

    it(`passes statuses on: in trailers, and in the head alone (${name})`, async () => {
      const failed = await unary(client(), ECHO_SERVICE.fail.path, "x");
      assert.deepEqual([failed.code, failed.details], [status.FAILED_PRECONDITION, "not now, é"]);
      assert.equal((await unary(client(), "/test.Echo/nothing", "x")).code, status.UNIMPLEMENTED);
    });

    it(`passes deadlines on, and cancellations (${name})`, async () => {
      assert.equal((await unary(client(), ECHO_SERVICE.never.path, "x", { deadlineMs: 100 })).code, status.DEADLINE_EXCEEDED);
      const before = service.cancelled();
      const call = client().makeUnaryRequest(ECHO_SERVICE.never.path, bytes, bytes, Buffer.from("x"), () => undefined);
      const ended = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
      setTimeout(() => call.cancel(), 50);
      assert.equal(await ended, status.CANCELLED);
      await eventually(() => service.cancelled() > before, "the service to learn it");
    });

    it(`slows the service down for a slow consumer, then brings all (${name})`, async () => {
      const call = client().makeServerStreamRequest(ECHO_SERVICE.flood.path, bytes, bytes, Buffer.from("x"));
      const ended = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
      call.pause();
      await eventually(() => service.flooded() > 5, "the flood");
      assert.equal((await unary(client(), ECHO_SERVICE.unary.path, "y")).code, status.OK);
      assert.ok(service.flooded() < 1_000, `${service.flooded()} messages`);
      let received = 0;
      call.on("data", (part: Buffer) => {
        received += part.length;
      });
      call.resume();
      assert.equal(await ended, status.OK);
      assert.equal(received, 2_000 * 16_384);
    });

    it(`answers in gRPC itself: no route, nobody there, too late (${name})`, async () => {
      assert.equal((await unary(client(), "/test.Other/unary", "x")).code, status.UNIMPLEMENTED);
      assert.equal((await unary(client(), "/test.Dead/unary", "x")).code, status.UNAVAILABLE);
      assert.notEqual((await unary(client(), "/test.Echo/short", "x")).code, status.OK);
    });
  }
});
