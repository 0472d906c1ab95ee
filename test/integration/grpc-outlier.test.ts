/** What gRPC services say with HTTP status 200 ejects them or does not: @grpc/grpc-js at both ends, the gateway in between. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
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

const CALLS = 20;
const FAILURES = ["UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"] as const;
const ANSWERS = ["NOT_FOUND", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "CANCELLED"] as const;

const METHODS = ["unary", "stream"] as const;
type Method = (typeof METHODS)[number];

const OUTLIER = "outlier: { consecutive5xx: 3, consecutiveGatewayErrors: 0, baseEjectionTime: 1m }";
/** Each case has services of its own, of a good endpoint and a bad one, for ejections stay. */
const SERVICES: ReadonlyMap<string, string> = new Map([
  ...METHODS.flatMap((method) => [...FAILURES, ...ANSWERS].map((code) => [nameOf(method, code), OUTLIER] as const)),
  ["deadline", OUTLIER],
  ["row", OUTLIER],
  ["gateway-errors", "outlier: { consecutive5xx: 0, consecutiveGatewayErrors: 2, baseEjectionTime: 1m }"],
  ["circuit", "circuit: { breakers: { endpoint: { minimumRequests: 4, openFor: 1m } } }"],
]);

function nameOf(method: Method, code: string): string {
  return `${method}-${code.toLowerCase().replaceAll("_", "-")}`;
}

describe("gRPC statuses and outlier ejection", () => {
  const running: { close(): unknown }[] = [];
  const bad = new Map<string, Fickle>();
  let gateway: Gateway;
  let client: grpc.Client;

  before(async () => {
    const good = await startFickle();
    running.push(good);
    for (const name of SERVICES.keys()) bad.set(name, await startFickle());
    running.push(...bad.values());
    const plain = await startHttp2Service((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/plain" });
      stream.end("fine");
    });
    running.push(plain);
    const names = [...SERVICES.keys(), "plain"];
    const routes = names.map(
      (name) => `  - { name: ${name}, match: [{ headers: [{ name: x-service, value: ${name} }] }], backends: [{ service: ${name} }] }`,
    );
    const services = [...SERVICES].map(([name, policies]) => serviceText(name, [good.address, badOf(name).address], policies));
    gateway = await startGateway(`
listeners: [{ name: h2c, bind: "127.0.0.1:0", protocol: h2c }]
routes:
${routes.join("\n")}
services:
${services.join("")}
${serviceText("plain", [plain.address], "outlier: { consecutive5xx: 1, baseEjectionTime: 1m }")}
workers: 1
admin: { bind: 127.0.0.1:0 }
telemetry: { accessLog: { path: "off" } }
`);
    client = new grpc.Client(`127.0.0.1:${gateway.port("h2c")}`, grpc.credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    await gateway?.stop();
    for (const each of running) await each.close();
  });

  function badOf(service: string): Fickle {
    return bad.get(service) as Fickle;
  }

  /** One call after the other; their codes. */
  async function call(service: string, method: Method, times: number, deadlineMs?: number): Promise<grpc.status[]> {
    const metadata = new grpc.Metadata();
    metadata.set("x-service", service);
    const codes: grpc.status[] = [];
    for (let i = 0; i < times; i++) codes.push(await callOnce(FICKLE[method].path, metadata, deadlineMs));
    return codes;
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
  function callOnce(path: string, metadata: grpc.Metadata, deadlineMs?: number): Promise<grpc.status> {
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    return new Promise((resolve) => {
      const call = client.makeServerStreamRequest(path, bytes, bytes, Buffer.from("x"), metadata, options);
      call.on("data", () => {});
      call.on("error", () => {});
      call.on("status", ({ code }) => resolve(code));
    });
  }

  for (const method of METHODS) {
    const where = method === "unary" ? "head" : "trailers";

    it(`${FAILURES.join(", ")} in the ${where} eject an endpoint after three of them`, async () => {
      for (const code of FAILURES) {
        const service = nameOf(method, code);
        const one = badOf(service);
        one.code = grpc.status[code];
        const codes = await call(service, method, CALLS);
        assert.equal(codes.filter((answer) => answer === grpc.status[code]).length, 3, `${code}: ${codes.join()}`);
        assert.equal(one.calls, 3, code);
      }
    });

    it(`${ANSWERS.join(", ")} in the ${where} eject nobody`, async () => {
      for (const code of ANSWERS) {
        const service = nameOf(method, code);
        const one = badOf(service);
        one.code = grpc.status[code];
        await call(service, method, CALLS);
        assert.equal(one.calls, CALLS / 2, code);
      }
    });
  }

  it("a deadline that the caller chose is the caller's", async () => {
    const one = badOf("deadline");
    one.code = grpc.status.DEADLINE_EXCEEDED;
    for (const method of METHODS) await call("deadline", method, CALLS, 30_000);
    assert.equal(one.calls, CALLS);
  });

  it("a success in the trailers ends a row of failures", async () => {
    const one = badOf("row");
    for (let i = 0; i < 5; i++) {
      one.code = grpc.status.INTERNAL;
      await call("row", "stream", 4);
      one.code = grpc.status.OK;
      await call("row", "stream", 2);
    }
    assert.equal(one.calls, 15);
  });

  it("UNAVAILABLE is a gateway error, UNKNOWN is none", async () => {
    const one = badOf("gateway-errors");
    one.code = grpc.status.UNKNOWN;
    await call("gateway-errors", "stream", CALLS);
    assert.equal(one.calls, CALLS / 2);
    one.code = grpc.status.UNAVAILABLE;
    await call("gateway-errors", "stream", CALLS);
    assert.equal(one.calls, CALLS / 2 + 2);
  });

  it("a caller that says gRPC to a service that does not speak it ejects nobody", async () => {
    for (const code of await call("plain", "unary", 5)) assert.notEqual(code, grpc.status.OK);
    const { services } = (await (await fetch(`${gateway.admin.url}/v1/services`)).json()) as {
      services: { name: string; endpoints: { state: string }[] }[];
    };
    assert.equal(services.find(({ name }) => name === "plain")?.endpoints[0]?.state, "healthy");
  });

  it("opens a circuit as well", async () => {
    const one = badOf("circuit");
    one.code = grpc.status.UNAVAILABLE;
    await call("circuit", "stream", CALLS);
    assert.equal(one.calls, 4);
  });
});
