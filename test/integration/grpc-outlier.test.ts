/** What gRPC services say with HTTP status 200 ejects them or does not: @grpc/grpc-js at both ends, the gateway in between. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { type Gateway, startGateway } from "../support/gateway.js";
import { startHttp2Service } from "../support/http2-service.js";

const bytes = (value: Buffer): Buffer => value;
const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
const FICKLE = {
  unary: { path: "/test.Fickle/unary", requestStream: false, responseStream: false, ...codec },
  stream: { path: "/test.Fickle/stream", requestStream: false, responseStream: true, ...codec },
};

interface Fickle {
  /** What it answers every call with. */
  code: grpc.status;
  calls: number;
  readonly address: string;
  close(): void;
}

/** `unary` fails with a head alone, `stream` behind a message. */
async function startFickle(): Promise<Fickle> {
  const server = new grpc.Server();
  const service = { code: grpc.status.OK, calls: 0 };
  server.addService(FICKLE, {
    unary: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => {
      service.calls++;
      if (service.code === grpc.status.OK) done(null, Buffer.from("fine"));
      else done({ code: service.code });
    },
    stream: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      service.calls++;
      call.write(Buffer.from("first"));
      if (service.code === grpc.status.OK) call.end();
      else call.emit("error", { code: service.code });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return Object.assign(service, { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() });
}

interface Bench {
  /** By service. */
  readonly bad: readonly Fickle[];
  /** One call after the other; their codes. */
  call(
    method: keyof typeof FICKLE,
    count: number,
    options?: { readonly service?: number; readonly deadlineMs?: number },
  ): Promise<grpc.status[]>;
}

const CALLS = 20;
const FAILURES = ["UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"] as const;
const ANSWERS = ["NOT_FOUND", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "CANCELLED"] as const;

describe("gRPC statuses and outlier ejection", () => {
  const running: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of running.splice(0)) await each.close();
  });

  /** Services of a good endpoint and a bad one each. */
  async function start(
    policies = "outlier: { consecutive5xx: 3, consecutiveGatewayErrors: 0, baseEjectionTime: 1m }",
    count = 1,
  ): Promise<Bench> {
    const good = await startFickle();
    const bad = await Promise.all(Array.from({ length: count }, startFickle));
    running.push(good, ...bad);
    const gateway: Gateway = await startGateway(`
listeners: [{ name: h2c, bind: "127.0.0.1:0", protocol: h2c }]
routes:
${bad.map((_, i) => `  - { name: r${i}, match: [{ headers: [{ name: x-service, value: "${i}" }] }], backends: [{ service: s${i} }] }`).join("\n")}
services:
${bad.map(({ address }, i) => serviceText(`s${i}`, [good.address, address], policies)).join("")}
workers: 1
admin: { bind: 127.0.0.1:0 }
telemetry: { accessLog: { path: "off" } }
`);
    const client = new grpc.Client(`127.0.0.1:${gateway.port("h2c")}`, grpc.credentials.createInsecure());
    running.unshift(client, { close: () => gateway.stop() });
    return {
      bad,
      async call(method, times, { service = 0, deadlineMs } = {}) {
        const metadata = new grpc.Metadata();
        metadata.set("x-service", String(service));
        const codes: grpc.status[] = [];
        for (let i = 0; i < times; i++) codes.push(await callOnce(client, FICKLE[method].path, metadata, deadlineMs));
        return codes;
      },
    };
  }

  function serviceText(name: string, addresses: readonly string[], policies: string): string {
    return `  - name: ${name}
    protocol: h2c
    endpoints: { static: [${addresses.map((address) => `{ address: "${address}" }`).join(", ")}] }
    balance: { panicThreshold: 0% }
    ${policies}
`;
  }

  /** Also a unary call is read as a stream: what counts is its status. */
  function callOnce(client: grpc.Client, path: string, metadata: grpc.Metadata, deadlineMs?: number): Promise<grpc.status> {
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    return new Promise((resolve) => {
      const call = client.makeServerStreamRequest(path, bytes, bytes, Buffer.from("x"), metadata, options);
      call.on("data", () => {});
      call.on("error", () => {});
      call.on("status", ({ code }) => resolve(code));
    });
  }

  for (const method of ["unary", "stream"] as const) {
    const where = method === "unary" ? "head" : "trailers";

    it(`${FAILURES.join(", ")} in the ${where} eject an endpoint after three of them`, async () => {
      const { bad, call } = await start(undefined, FAILURES.length);
      for (const [service, code] of FAILURES.entries()) {
        const one = bad[service] as Fickle;
        one.code = grpc.status[code];
        const codes = await call(method, CALLS, { service });
        assert.equal(codes.filter((answer) => answer === grpc.status[code]).length, 3, `${code}: ${codes.join()}`);
        assert.equal(one.calls, 3, code);
      }
    });

    it(`${ANSWERS.join(", ")} in the ${where} eject nobody`, async () => {
      const { bad, call } = await start(undefined, ANSWERS.length);
      for (const [service, code] of ANSWERS.entries()) {
        const one = bad[service] as Fickle;
        one.code = grpc.status[code];
        await call(method, CALLS, { service });
        assert.equal(one.calls, CALLS / 2, code);
      }
    });
  }

  it("a deadline that the caller chose is the caller's", async () => {
    const { bad: all, call } = await start();
    const [bad] = all as readonly [Fickle];
    bad.code = grpc.status.DEADLINE_EXCEEDED;
    for (const method of ["unary", "stream"] as const) await call(method, CALLS, { deadlineMs: 30_000 });
    assert.equal(bad.calls, CALLS);
  });

  it("a success in the trailers ends a row of failures", async () => {
    const { bad: all, call } = await start();
    const [bad] = all as readonly [Fickle];
    for (let i = 0; i < 5; i++) {
      bad.code = grpc.status.INTERNAL;
      await call("stream", 4);
      bad.code = grpc.status.OK;
      await call("stream", 2);
    }
    assert.equal(bad.calls, 15);
  });

  it("UNAVAILABLE is a gateway error, UNKNOWN is none", async () => {
    const { bad: all, call } = await start("outlier: { consecutive5xx: 0, consecutiveGatewayErrors: 2, baseEjectionTime: 1m }");
    const [bad] = all as readonly [Fickle];
    bad.code = grpc.status.UNKNOWN;
    await call("stream", CALLS);
    assert.equal(bad.calls, CALLS / 2);
    bad.code = grpc.status.UNAVAILABLE;
    await call("stream", CALLS);
    assert.equal(bad.calls, CALLS / 2 + 2);
  });

  it("a caller that says gRPC to a service that does not speak it ejects nobody", async () => {
    const plain = await startHttp2Service((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/plain" });
      stream.end("fine");
    });
    running.push(plain);
    const gateway = await startGateway(`
listeners: [{ name: h2c, bind: "127.0.0.1:0", protocol: h2c }]
routes: [{ name: all, backends: [{ service: app }] }]
services:
${serviceText("app", [plain.address], "outlier: { consecutive5xx: 1, baseEjectionTime: 1m }")}
workers: 1
admin: { bind: 127.0.0.1:0 }
telemetry: { accessLog: { path: "off" } }
`);
    running.unshift({ close: () => gateway.stop() });
    const client = new grpc.Client(`127.0.0.1:${gateway.port("h2c")}`, grpc.credentials.createInsecure());
    running.push(client);
    for (let i = 0; i < 5; i++) assert.notEqual(await callOnce(client, FICKLE.unary.path, new grpc.Metadata()), grpc.status.OK);
    const { services } = (await (await fetch(`${gateway.admin.url}/v1/services`)).json()) as {
      services: { endpoints: { state: string }[] }[];
    };
    assert.equal(services[0]?.endpoints[0]?.state, "healthy");
  });

  it("opens a circuit as well", async () => {
    const { bad: all, call } = await start("circuit: { breakers: { endpoint: { minimumRequests: 4, openFor: 1m } } }");
    const [bad] = all as readonly [Fickle];
    bad.code = grpc.status.UNAVAILABLE;
    await call("stream", CALLS);
    assert.equal(bad.calls, 4);
  });
});
