/** Uploads and downloads over a path with delay: windows grow until the pipe is full, in both roles of the codec. */
import assert from "node:assert/strict";
import { connect as connectHttp2, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, it } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { type Http2Service, startHttp2Service } from "../support/http2-service.js";

const DELAY_MS = 20;
const BODY = Buffer.alloc(6 * 1024 * 1024, "x");

/** Each way takes `DELAY_MS`; nothing limits what is under way. */
function startRelay(port: number): Promise<Server> {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    delay(near, far);
    delay(far, near);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function delay(from: Socket, to: Socket): void {
  from.on("error", () => to.destroy());
  from.on("data", (bytes) => setTimeout(() => to.write(bytes), DELAY_MS));
  from.on("end", () => setTimeout(() => to.end(), DELAY_MS));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function serve(stream: ServerHttp2Stream): void {
  let bytes = 0;
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on("end", () => {
    stream.respond({ ":status": 200, "x-bytes": String(bytes) });
    stream.end(bytes > 0 ? "" : BODY);
  });
}

let service: Http2Service;
let near: Server;
let far: Server;
let gateway: Gateway;

before(async () => {
  service = await startHttp2Service(serve);
  far = await startRelay(service.port);
  gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: h2c }]
routes:
  - { name: far, match: [{ path: { value: /far } }], backends: [{ service: far }] }
  - { name: near, backends: [{ service: near }] }
services:
  - { name: far, protocol: h2c, http2: { maxStreamWindow: 1MiB }, endpoints: { static: [{ address: "127.0.0.1:${portOf(far)}" }] } }
  - { name: near, protocol: h2c, endpoints: { static: [{ address: "127.0.0.1:${service.port}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  near = await startRelay(gateway.port("public"));
});

after(async () => {
  near.close();
  far.close();
  await gateway.stop();
  await service.close();
});

/** How many round trips a transfer takes. */
async function trips(port: number, path: string, body: Buffer | null): Promise<number> {
  const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 16_777_216 } });
  session.on("connect", () => session.setLocalWindowSize(16_777_216));
  session.on("error", () => undefined);
  const startedAtMs = performance.now();
  const stream = session.request({ ":path": path, ":method": body === null ? "GET" : "POST" });
  let bytes = 0;
  let counted = "";
  stream.on("response", (headers) => {
    counted = String(headers["x-bytes"]);
  });
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.end(body ?? undefined);
  await new Promise((resolve, reject) => stream.once("close", resolve).once("error", reject));
  session.destroy();
  assert.deepEqual([bytes, counted], body === null ? [BODY.length, "0"] : [0, String(BODY.length)]);
  return (performance.now() - startedAtMs) / (2 * DELAY_MS);
}

// With windows as they begin (64 KiB for clients, 256 KiB for services) 6 MiB take 96 and 24 round trips at least.
it("an upload from far away takes few round trips", async () => {
  const count = await trips(portOf(near), "/up", BODY);
  assert.ok(count < 48, `${count} round trips`);
});

it("a download from a service far away takes few round trips", async () => {
  const count = await trips(gateway.port("public"), "/far", null);
  assert.ok(count < 20, `${count} round trips`);
});
