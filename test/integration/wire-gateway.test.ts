/** `h2` and `h2c` listeners in a whole gateway: workers share a listening socket and session tickets, and drain. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { connect as connectHttp2 } from "node:http2";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { type CertificateFiles, developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workersOf } from "../support/processes.js";
import { needProgram } from "../support/programs.js";
import { connectRaw, hasResponses, type RawSocket } from "../support/raw-socket.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const run = promisify(execFile);

const configuration = (upstream: string, workers: number, plain = "127.0.0.1:0"): string => `
listeners:
  - { name: edge, bind: "127.0.0.1:0", protocol: h2, tls: ${EDGE_TLS} }
  - { name: plain, bind: "${plain}", protocol: h2c }
routes: [{ name: all, listeners: [edge, plain], backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream}" }] } }]
admin: { bind: "127.0.0.1:0" }
drain: { timeout: 5s }
workers: ${workers}
`;

function isRefused(port: number): Promise<boolean> {
  const connected = (raw: RawSocket): boolean => {
    raw.destroy();
    return false;
  };
  return connectRaw({ port }).then(connected, () => true);
}

/** One request over TLS; says whether the session was resumed, and gives the last ticket. */
function askOverTls(port: number, ca: string, session?: Buffer): Promise<{ isReused: boolean; ticket: Buffer; text: string }> {
  return new Promise((resolve, reject) => {
    let ticket: Buffer | undefined;
    let text = "";
    const socket: TLSSocket = connectTls({
      port,
      host: "127.0.0.1",
      ca,
      ALPNProtocols: ["http/1.1"],
      ...(session === undefined ? {} : { session }),
    });
    socket.on("session", (newest) => {
      ticket = newest;
    });
    socket.on("secureConnect", () => socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("end", () => resolve({ isReused: socket.isSessionReused(), ticket: ticket ?? Buffer.alloc(0), text }));
  });
}

describe("listeners on own codecs, in a gateway", () => {
  let upstream: HttpUpstream;
  let certificates: CertificateFiles;
  let gateway: Gateway;
  const held: (() => void)[] = [];

  before(async () => {
    certificates = await developmentCertificates();
    upstream = await startHttpUpstream((request, response) => {
      if (request.target === "/slow") held.push(() => response.end("at last"));
      else response.end(`${request.method} ${request.target} ${request.body.length}`);
    });
    gateway = await startGateway(configuration(upstream.address, 2), { files: certificates });
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  it("serves HTTP/1.1 over TLS and plain, and writes it to the log", async () => {
    const secure = await fetchOnce(`https://localhost:${gateway.port("edge")}/a`, {
      ca: certificates["ca.pem"],
      method: "POST",
      body: "hello",
    });
    assert.equal(secure.text, "POST /a 5");
    const plain = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/b`);
    assert.equal(plain.text, "GET /b 0");
    const lines = await eventually(() => {
      const found = logLines(gateway.stdout());
      return found.length >= 2 ? found : null;
    }, "two lines in the log");
    assert.deepEqual(lines.map((line) => `${line.listener} ${line.status}`).sort(), ["edge 200", "plain 200"]);
  });

  it("OPTIONS * is answered by the gateway itself, in both versions, and counted", async () => {
    const before = upstream.requests.length;
    const raw = await connectRaw({ port: gateway.port("plain") });
    raw.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert.match(await raw.untilClosed(), /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*content-length: 0\r\n/i);
    const session = connectHttp2(`http://127.0.0.1:${gateway.port("plain")}`);
    const stream = session.request({ ":method": "OPTIONS", ":path": "*", ":authority": "a.test" });
    const status = await new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
    session.close();
    assert.deepEqual([status, upstream.requests.length], [200, before]);
    await eventually(() => logLines(gateway.stdout()).filter(({ path }) => path === "*").length === 2, "two log lines");
  });

  it("serves curl", async (t: TestContext) => {
    if (!needProgram(t, "curl")) return;
    const ca = join(gateway.directory, "ca.pem");
    const args = ["-sS", "--http1.1", "--cacert", ca, "-d", "x=1", `https://localhost:${gateway.port("edge")}/curl`];
    assert.equal((await run("curl", args)).stdout, "POST /curl 3");
  });

  it("serves HTTP/2 to curl, over TLS and with prior knowledge", async (t: TestContext) => {
    if (!needProgram(t, "curl")) return;
    const ca = join(gateway.directory, "ca.pem");
    const format = ["-sS", "-w", " %{http_version} %{http_code}", "-d", "x=1"];
    const secure = ["--http2", "--cacert", ca, `https://localhost:${gateway.port("edge")}/curl`];
    assert.equal((await run("curl", [...format, ...secure])).stdout, "POST /curl 3 2 200");
    const plain = ["--http2-prior-knowledge", `http://127.0.0.1:${gateway.port("plain")}/curl`];
    assert.equal((await run("curl", [...format, ...plain])).stdout, "POST /curl 3 2 200");
  });

  it("serves nghttp and h2load without a failed request", async (t: TestContext) => {
    if (!needProgram(t, "nghttp") || !needProgram(t, "h2load")) return;
    const { stdout } = await run("nghttp", ["-nv", `http://127.0.0.1:${gateway.port("plain")}/nghttp`]);
    assert.match(stdout, /:status: 200/);
    for (const url of [`https://localhost:${gateway.port("edge")}/`, `http://127.0.0.1:${gateway.port("plain")}/`]) {
      const load = await run("h2load", ["-n", "2000", "-c", "8", "-m", "32", url]);
      assert.match(load.stdout, /2000 succeeded, 0 failed, 0 errored, 0 timeout/);
    }
    const upload = await run("h2load", [
      "-n",
      "200",
      "-c",
      "4",
      "-m",
      "8",
      "-d",
      join(gateway.directory, "ca.pem"),
      `http://127.0.0.1:${gateway.port("plain")}/`,
    ]);
    assert.match(upload.stdout, /200 succeeded, 0 failed/);
  });

  it("a flood ends its connection, with a metric and a line in the log", async () => {
    const raw = await connectRaw({ port: gateway.port("plain") });
    const ping = "\0\0\x08\x06\0\0\0\0\0pingping";
    raw.send(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0${ping.repeat(2000)}`);
    await raw.untilClosed();
    assert.match(raw.text(), /ping-flood$/);
    await eventually(() => /an HTTP\/2 connection was ended: ping-flood/.test(gateway.stderr()), "the line in the log");
    await eventually(
      async () => /reason="http2-ping-flood"[^}]*\} 1/.test((await fetchOnce(`${gateway.admin.url}/metrics`)).text),
      "the metric",
    );
  });

  it("workers resume each other's TLS sessions", async () => {
    const { ticket } = await askOverTls(gateway.port("edge"), certificates["ca.pem"]);
    for (let i = 0; i < 40; i++) {
      const answer = await askOverTls(gateway.port("edge"), certificates["ca.pem"], ticket);
      assert.match(answer.text, /^HTTP\/1\.1 200 /);
      assert.equal(answer.isReused, true, `connection ${i}`);
    }
  });

  it("a killed worker is replaced by one that accepts from the same socket", async () => {
    const [victim] = workersOf(gateway);
    assert.ok(victim !== undefined);
    process.kill(victim, "SIGKILL");
    await eventually(() => workersOf(gateway).filter((pid) => pid !== victim).length === 2, "two workers");
    for (let i = 0; i < 20; i++) assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/again`)).status, 200);
  });

  it("on SIGTERM it finishes what is in flight, says close, and frees its ports", async () => {
    const raw = await connectRaw({ port: gateway.port("plain") });
    raw.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    const idle = await connectRaw({ port: gateway.port("plain") });
    idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    await idle.until((text) => hasResponses(text, 1));
    await eventually(() => held.length === 1, "the slow request");
    gateway.process.kill("SIGTERM");
    await idle.untilClosed();
    await eventually(() => isRefused(gateway.port("plain")), "new connections to be refused");
    held[0]?.();
    assert.match(await raw.untilClosed(), /connection: close\r\n[\s\S]*at last$/);
    const { code } = await gateway.exited();
    assert.equal(code, 0);
  });
});

describe("listeners on own codecs, in one process", () => {
  it("serve and stop with --single", async () => {
    const upstream = await startHttpUpstream((_request, response) => response.end("ok"));
    const certificates = await developmentCertificates();
    const gateway = await startGateway(configuration(upstream.address, 4), { files: certificates, args: ["--single"] });
    assert.equal((await fetchOnce(`https://localhost:${gateway.port("edge")}/`, { ca: certificates["ca.pem"] })).text, "ok");
    assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).text, "ok");
    assert.equal((await gateway.stop()).code, 0);
    await upstream.close();
  });

  it("a port that is taken is one clear error, with exit code 69", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen({ host: "127.0.0.1", port: 0 }, resolve));
    const { port } = holder.address() as { port: number };
    const certificates = await developmentCertificates();
    await assert.rejects(
      startGateway(configuration("127.0.0.1:1", 1, `127.0.0.1:${port}`), { files: certificates }),
      /exit code 69[\s\S]*listener "plain": port \d+ is already in use/,
    );
    holder.close();
  });
});
