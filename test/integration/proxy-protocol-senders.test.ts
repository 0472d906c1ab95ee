/** Headers of real senders: HAProxy and curl. The receiver is a bare server with the parser, not a gateway. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { LOCAL_HEADER, type ProxyHeader } from "../../src/wire/proxy-protocol/header.js";
import { ProxyProtocolParser } from "../../src/wire/proxy-protocol/parser.js";
import { needProgram } from "../support/programs.js";
import { findFreePorts } from "../support/upstream.js";

const DEADLINE_MS = 10_000;
const REPLY = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

interface Received {
  readonly header: ProxyHeader | null;
  readonly refusal: string | null;
  /** The first bytes behind the header. */
  readonly text: string;
}

/** Reads one header per connection, waits for a byte behind it, if it is not LOCAL, and answers. */
async function startReceiver(t: TestContext): Promise<{ port: number; next: () => Promise<Received> }> {
  const received: Received[] = [];
  const server = createServer((socket) => receive(socket, (each) => received.push(each) && server.emit("received", each)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const next = async (): Promise<Received> =>
    received.shift() ?? ((await once(server, "received", { signal: AbortSignal.timeout(DEADLINE_MS) })) && next());
  return { port: (server.address() as AddressInfo).port, next };
}

function receive(socket: Socket, onReceived: (received: Received) => void): void {
  const parser = new ProxyProtocolParser();
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => {
    const at = parser.feed(bytes, 0, bytes.length);
    const isWaiting = parser.refusal === null && (parser.header === null || (at === bytes.length && !parser.header.isLocal));
    if (isWaiting) return;
    onReceived({ header: parser.header, refusal: parser.refusal, text: bytes.toString("latin1", at) });
    socket.end(REPLY);
  });
}

/** @param servers options of one `server` line per frontend; returns the frontends' ports once HAProxy listens */
async function startHaproxy(t: TestContext, receiverPort: number, host: string, servers: readonly string[]): Promise<number[]> {
  const ports = await findFreePorts(servers.length);
  const proxies = servers.map((options, index) =>
    [
      ...[`listen proxy-${index}`, `  bind ${host}:${ports[index]}`, "  unique-id-format %[uuid()]"],
      `  server receiver 127.0.0.1:${receiverPort} ${options}`,
    ].join("\n"),
  );
  const defaults = "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n";
  const directory = mkdtempSync(join(tmpdir(), "windrose-haproxy-"));
  const file = join(directory, "haproxy.cfg");
  writeFileSync(file, `${defaults}${proxies.join("\n")}\n`);
  const child = spawn("haproxy", ["-db", "-f", file], { stdio: "ignore" });
  t.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    rmSync(directory, { recursive: true });
  });
  await untilConnectable(ports[0] as number, host.replace(/[[\]]/g, ""));
  return ports;
}

async function canListen(host: string): Promise<boolean> {
  const server = createServer().listen(0, host);
  const isListening = await once(server, "listening").then(
    () => true,
    () => false,
  );
  server.close();
  return isListening;
}

async function untilConnectable(port: number, host: string): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; ; ) {
    const socket = connect(port, host);
    try {
      await once(socket, "connect");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    } finally {
      socket.destroy();
    }
  }
}

async function sendThrough(port: number, host: string): Promise<{ localPort: number; reply: string }> {
  const socket = connect(port, host);
  await once(socket, "connect");
  const localPort = socket.localPort as number;
  socket.write("hello");
  let reply = "";
  for await (const chunk of socket) reply += chunk;
  return { localPort, reply };
}

describe("headers of HAProxy", () => {
  const VARIANTS = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl"];

  for (const { name, bind, host } of [
    { name: "IPv4", bind: "127.0.0.1", host: "127.0.0.1" },
    { name: "IPv6", bind: "[::1]", host: "::1" },
  ]) {
    it(`name both ends of a connection over ${name}`, async (t) => {
      if (!needProgram(t, "haproxy")) return;
      if (!(await canListen(host))) return t.skip(`no ${host} on this machine`);
      const receiver = await startReceiver(t);
      const ports = await startHaproxy(t, receiver.port, bind, VARIANTS);
      for (const port of ports) {
        const { localPort, reply } = await sendThrough(port, host);
        assert.equal(reply, REPLY);
        const header = { isLocal: false, sourceAddress: host, sourcePort: localPort, destinationAddress: host, destinationPort: port };
        assert.deepEqual(await receiver.next(), { header, refusal: null, text: "hello" });
      }
    });
  }

  it("of version 2 say LOCAL for its health checks", async (t) => {
    if (!needProgram(t, "haproxy")) return;
    for (const variant of VARIANTS.filter((each) => each.startsWith("send-proxy-v2"))) {
      const receiver = await startReceiver(t);
      await startHaproxy(t, receiver.port, "127.0.0.1", [`${variant} check-send-proxy check inter 100ms`]);
      const { header, refusal } = await receiver.next();
      assert.deepEqual({ header, refusal }, { header: LOCAL_HEADER, refusal: null }, variant);
    }
  });
});

describe("headers of curl", () => {
  it("name both ends", async (t) => {
    if (!needProgram(t, "curl")) return;
    const receiver = await startReceiver(t);
    const child = spawn("curl", ["-sS", "--haproxy-protocol", `http://127.0.0.1:${receiver.port}/path`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { header, text } = await receiver.next();
    assert.deepEqual(
      [header?.isLocal, header?.sourceAddress, header?.destinationAddress, header?.destinationPort],
      [false, "127.0.0.1", "127.0.0.1", receiver.port],
    );
    assert.ok((header?.sourcePort ?? 0) > 0);
    assert.match(text, /^GET \/path HTTP\/1\.1\r\n/);
    assert.equal(String((await once(child.stdout, "data"))[0]), "ok");
  });
});
