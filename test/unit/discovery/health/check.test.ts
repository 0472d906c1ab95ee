import assert from "node:assert/strict";
import { createSecureServer, createServer } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { after, describe, it } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { type CheckedService, check } from "../../../../src/discovery/health/check.js";
import { decodeAnswer, encodeRequest } from "../../../../src/discovery/health/grpc-check.js";
import type { HealthProbe } from "../../../../src/engine/model/snapshot.js";
import { selfSigned } from "../../../support/certificates.js";
import { type HealthService, startGrpcHealth } from "../../../support/grpc-health.js";
import { findFreePort, startHttpUpstream, startRawUpstream } from "../../../support/upstream.js";

const PLAIN: CheckedService = { protocol: "http1", tls: null };
const H2C: CheckedService = { protocol: "h2c", tls: null };
const HTTP = { type: "http", method: "GET", path: "/healthz", host: "", statuses: [{ from: 200, to: 399 }], port: 0 } as const;
const GRPC = { type: "grpc", service: "", host: "", port: 0 } as const;
const TCP = { type: "tcp", port: 0 } as const;

function checkAt(port: number, probe: HealthProbe, service = PLAIN, timeoutMs = 2_000) {
  return check({ host: "127.0.0.1", port }, service, { probe, intervalMs: 1_000, timeoutMs, unhealthyAfter: 1, healthyAfter: 1 });
}

describe("a health check", () => {
  const open: { close(): unknown }[] = [];
  after(async () => {
    for (const each of open) await each.close();
  });
  const keep = <T extends { close(): unknown }>(each: T): T => {
    open.push(each);
    return each;
  };
  async function listening(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    keep(server);
    return (server.address() as AddressInfo).port;
  }

  it("asks what it is told to ask", async () => {
    const service = keep(await startHttpUpstream((_request, response) => response.writeHead(204).end()));
    const result = await checkAt(service.port, { ...HTTP, method: "HEAD", path: "/up?deep=1", host: "api.example.com" });
    assert.deepEqual(result, { isPassed: true, text: "answered with status 204" });
    const [request] = service.requests;
    assert.equal(`${request?.method} ${request?.target} ${request?.headers.host}`, "HEAD /up?deep=1 api.example.com");
    assert.equal(request?.headers["user-agent"], "windrose-health-check");
  });

  it("fails with another status, and does not follow redirects", async () => {
    const service = keep(await startHttpUpstream((_request, response) => response.writeHead(302, { location: "/" }).end()));
    assert.equal((await checkAt(service.port, HTTP)).isPassed, true);
    const strict = await checkAt(service.port, { ...HTTP, statuses: [{ from: 200, to: 200 }] });
    assert.deepEqual(strict, { isPassed: false, text: "answered with status 302" });
    assert.equal(service.requests.length, 2);
  });

  it("fails when nobody listens, also at a port of its own", async () => {
    const port = await findFreePort();
    for (const probe of [HTTP, TCP, GRPC]) {
      const result = await checkAt(port, probe);
      assert.equal(result.isPassed, false);
      assert.match(result.text, /^connect /);
    }
    const service = keep(await startHttpUpstream());
    assert.equal((await checkAt(port, { ...HTTP, port: service.port })).isPassed, true);
  });

  const HOSTILE: readonly (readonly [title: string, script: Parameters<typeof startRawUpstream>[0], text: RegExp])[] = [
    ["says nothing", (socket) => void socket.resume(), /^no answer within 200 ms$/],
    ["closes", (socket) => void socket.once("data", () => socket.end()), /^(socket hang up|the connection was closed)/],
    ["resets", (socket) => void socket.once("data", () => socket.resetAndDestroy()), /./],
    ["talks garbage", (socket) => void socket.once("data", () => socket.end("\x00\x1b[2J garbage\r\n\r\n")), /^Parse Error/],
    [
      "never ends its head",
      (socket) => void socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nx: ")),
      /^no answer within 200 ms$/,
    ],
    [
      "has a head without end",
      (socket) => void socket.once("data", () => socket.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`)),
      /Header overflow/,
    ],
    [
      "sends only 1xx",
      (socket) => void socket.once("data", () => socket.write("HTTP/1.1 103 E\r\n\r\n".repeat(50))),
      /^no answer within 200 ms$/,
    ],
  ];
  for (const [title, script, text] of HOSTILE) {
    it(`fails in time when a service ${title}`, async () => {
      const service = keep(await startRawUpstream(script));
      for (const [probe, spec] of [
        [HTTP, PLAIN],
        [GRPC, H2C],
        [HTTP, H2C],
      ] as const) {
        const startedAt = performance.now();
        const result = await checkAt(service.port, probe, spec, 200);
        assert.equal(result.isPassed, false);
        if (spec === PLAIN) assert.match(result.text, text);
        assert.match(result.text, /^[\x20-\x7e]{1,200}$/);
        assert.ok(performance.now() - startedAt < 1_500);
      }
    });
  }

  it("does not read a body that never ends", async () => {
    const service = keep(await startRawUpstream((socket) => void socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\nmore"))));
    assert.equal((await checkAt(service.port, HTTP)).isPassed, true);
  });

  it("speaks HTTP/2 to a service that does", async () => {
    const server = createServer((request, response) => response.writeHead(request.url === "/healthz" ? 200 : 404).end());
    const port = await listening(server);
    assert.deepEqual(await checkAt(port, HTTP, H2C), { isPassed: true, text: "answered with status 200" });
    assert.deepEqual(await checkAt(port, { ...HTTP, path: "/" }, H2C), { isPassed: false, text: "answered with status 404" });
  });

  it("verifies certificates as the service does", async () => {
    const { cert, key } = selfSigned("localhost");
    const port = await listening(
      createSecureServer({ cert, key, allowHTTP1: true }, (_request, response) => response.writeHead(200).end()),
    );
    const tls = { serverName: "localhost", caPem: cert, isVerified: true, alpn: ["h2", "http/1.1"] } as const;
    const results = [
      await checkAt(port, HTTP, { protocol: "https", tls }),
      await checkAt(port, HTTP, { protocol: "https", tls: { ...tls, alpn: ["http/1.1"] } }),
      await checkAt(port, TCP, { protocol: "https", tls }),
      await checkAt(port, TCP, { protocol: "https", tls: { ...tls, caPem: "" } }),
      await checkAt(port, HTTP, { protocol: "https", tls: { ...tls, serverName: "elsewhere.test" } }),
      await checkAt(port, HTTP, { protocol: "https", tls: { ...tls, caPem: "", isVerified: false } }),
    ];
    assert.deepEqual(
      results.map(({ isPassed }) => isPassed),
      [true, true, true, false, false, true],
      JSON.stringify(results),
    );
    assert.equal(results[2]?.text, "connected, with TLS");
  });

  it("fails for a CA that cannot be read, without throwing", async () => {
    const result = await checkAt(1, TCP, { protocol: "https", tls: { serverName: "", caPem: "garbage", isVerified: true, alpn: ["h2"] } });
    assert.equal(result.isPassed, false);
  });
});

describe("a gRPC health check", () => {
  it("asks grpc-js for the server and for one service", async () => {
    const service: HealthService = await startGrpcHealth();
    try {
      const ask = (name: string) => checkAt(service.port, { ...GRPC, service: name }, H2C);
      assert.deepEqual(await ask(""), { isPassed: true, text: "answered SERVING" });
      service.set("shop.Orders", 2);
      assert.deepEqual(await ask("shop.Orders"), { isPassed: false, text: "answered NOT_SERVING" });
      service.set("shop.Orders", 1);
      assert.equal((await ask("shop.Orders")).isPassed, true);
      assert.deepEqual(await ask("nobody"), { isPassed: false, text: `answered with gRPC status ${grpc.status.NOT_FOUND}` });
      assert.equal((await ask("x".repeat(255))).text, `answered with gRPC status ${grpc.status.NOT_FOUND}`);
      assert.deepEqual(service.asked.at(-1), "x".repeat(255));
    } finally {
      service.close();
    }
  });

  it("writes and reads what protobuf says", () => {
    assert.equal(encodeRequest("").toString("hex"), "0000000000");
    assert.equal(encodeRequest("ab").toString("hex"), "00000000040a026162");
    assert.equal(encodeRequest("x".repeat(200)).subarray(0, 8).toString("hex"), "00000000cb0ac801");
    assert.equal(decodeAnswer(Buffer.from("00000000020801", "hex")), 1);
    assert.equal(decodeAnswer(Buffer.from("0000000000", "hex")), 0);
    for (const bad of ["", "00", "0100000000", "0000000001", "000000000208", "00000000020a01", "0000000002088f"]) {
      assert.throws(() => decodeAnswer(Buffer.from(bad, "hex")), /^Error: answered with/);
    }
  });
});
