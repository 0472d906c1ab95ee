// `maxConnectionsPerAddress` over two workers that share a port: clients on different loopback addresses, as many as they like.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { hasResponses } from "../support/raw-socket.js";
import { makeCertificate } from "../unit/config/fixtures.js";
import { metric } from "./attack-support.js";

const LIMIT = 30;
const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/** A client on an address of its own choice; `isServed` once it has got an answer. */
class Client {
  readonly socket: Socket;
  received = "";
  isClosed = false;

  constructor(port: number, localAddress: string, isTls = false) {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    this.socket = isTls ? connectTls({ socket, rejectUnauthorized: false }) : socket;
    this.socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
    });
    for (const one of [socket, this.socket]) one.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    this.socket.write(GET);
  }

  get isServed(): boolean {
    return hasResponses(this.received, 1);
  }

  get isDecided(): boolean {
    return this.isClosed || this.isServed;
  }
}

describe("connections per address", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  let gateway: Gateway;
  let clients: Client[] = [];

  before(async () => {
    const { cert, key } = makeCertificate(["localhost"]);
    const limits = `limits: { maxConnectionsPerAddress: ${LIMIT} }, trustedProxies: [127.0.0.99]`;
    gateway = await startGateway(
      `
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http, ${limits} }
  - { name: secure, bind: "127.0.0.1:0", protocol: https, ${limits}, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }
routes: [{ name: all, filters: [{ respond: { body: ok } }] }]
telemetry: { accessLog: { path: off } }
admin: { bind: "127.0.0.1:0" }
workers: 2
`,
      { files: { "cert.pem": cert, "key.pem": key } },
    );
  });
  afterEach(async () => {
    for (const { socket } of clients) socket.destroy();
    clients = [];
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "everybody to be gone");
  });
  after(() => gateway?.stop());

  /** Opens connections and waits until each is served or closed. */
  async function open(count: number, address: string, listener = "plain"): Promise<Client[]> {
    const opened = Array.from({ length: count }, () => new Client(gateway.port(listener), address, listener === "secure"));
    clients.push(...opened);
    await eventually(() => opened.every((client) => client.isDecided), "a decision about each");
    return opened;
  }
  const served = (some: readonly Client[]): number => some.filter((client) => client.isServed && !client.isClosed).length;
  const refused = (): Promise<number> =>
    metric(gateway, "windrose_downstream_refused_connections_total", 'windrose_reason="max-connections-per-address"');

  for (const listener of ["plain", "secure"]) {
    it(`never exceed the limit on ${listener}, whoever comes from where, and reach it`, async () => {
      const before = await refused();
      const mine: Client[] = [];
      // In waves, so that rounds of the primary fall between and into them.
      await eventually(async () => {
        mine.push(...(await open(20, "127.0.0.1", listener)));
        assert.ok(served(mine) <= LIMIT, `${served(mine)} are served`);
        return served(mine) === LIMIT;
      }, "as many as are allowed");
      assert.equal(served(await open(10, "127.0.0.2", listener)), 10, "another address has room of its own");
      assert.equal(served(await open(2 * LIMIT, "127.0.0.99", listener)), 2 * LIMIT, "a trusted proxy is exempt");
      assert.equal((await refused()) - before, mine.length - LIMIT);
    });
  }

  it("give room again when connections close", async () => {
    const mine: Client[] = [];
    for (let cycle = 0; cycle < 3; cycle++) {
      await eventually(async () => {
        mine.push(...(await open(10, "127.0.0.3")));
        assert.ok(served(mine) <= LIMIT, `${served(mine)} are served`);
        return served(mine) === LIMIT;
      }, "as many as are allowed");
      for (const client of mine.splice(0)) client.socket.destroy();
    }
  });

  it("let a client through that keeps few open, however many it makes one after the other", async () => {
    // More than the limit in all. Some may be refused until the next round of counting, which comes late on a busy machine.
    for (let i = 0; i < LIMIT + 10; i++) {
      await eventually(async () => {
        const [client] = await open(1, "127.0.0.4");
        client?.socket.destroy();
        return client?.isServed === true;
      }, `connection ${i}`);
    }
  });

  it("never exceed the limit either when a worker has died", async () => {
    const mine: Client[] = [];
    await eventually(async () => {
      mine.push(...(await open(10, "127.0.0.5")));
      return served(mine) === LIMIT;
    }, "as many as are allowed");
    const { workers } = (await (await fetch(`${gateway.admin.url}/v1/info`)).json()) as { workers: { pid: number }[] };
    process.kill(workers[0]?.pid ?? 0, "SIGKILL");
    await eventually(() => served(mine) < LIMIT, "its connections to end");
    await eventually(async () => {
      mine.push(...(await open(10, "127.0.0.5")));
      assert.ok(served(mine) <= LIMIT, `${served(mine)} are served`);
      return served(mine) === LIMIT;
    }, "as many as are allowed");
  });
});
