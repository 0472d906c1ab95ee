/**
 * A real browser before an `https` and an `h2` listener: WebSocket, server-sent events and an upload from one page, judged by the
 * page's own script. On `h2` all of it, the WebSocket too (RFC 8441), has to come over HTTP/2.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { WebSocketServer } from "ws";
import { selfSigned } from "../support/certificates.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { needProgram } from "../support/programs.js";
import { echo } from "../support/web-socket.js";

/** Runs in the page: no types, no imports. Reports what happened, in order. */
const SCRIPT = `
const log = [];
const say = (line) => log.push(line);
const bytes = new Uint8Array(200000).map((_, i) => (i * 31) & 255);
const talk = (path, protocols) => new Promise((resolve) => {
  const socket = new WebSocket(new URL(path, location.href.replace("https:", "wss:")), protocols);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { say("open " + socket.protocol + "|" + socket.extensions); socket.send("grüße"); socket.send(bytes); };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") return say("text " + data);
    say("binary " + (data.byteLength === bytes.length && new Uint8Array(data).every((byte, i) => byte === bytes[i])));
    socket.close(4001, "done");
  };
  socket.onerror = () => say("error");
  socket.onclose = ({ code, reason, wasClean }) => { say("close " + code + " " + reason + " " + wasClean); resolve(); };
});
const listen = () => new Promise((resolve) => {
  const source = new EventSource("/events");
  source.onmessage = ({ data }) => {
    say("event " + data);
    if (data === "3") { source.close(); resolve(); }
    else fetch("/next", { method: "POST" });
  };
  source.onerror = () => { say("event error"); resolve(); };
});
(async () => {
  await talk("/socket", ["one", "two"]);
  await talk("/refused");
  await listen();
  const answer = await fetch("/upload", { method: "POST", body: bytes });
  say("upload " + answer.status + " " + await answer.text());
  const seen = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type)).map((entry) => entry.nextHopProtocol);
  say("spoke " + [...new Set(seen)].join(" "));
  await fetch("/report", { method: "POST", body: JSON.stringify(log) });
})();
`;

/** By what the page says once its WebSocket is open. */
const TALKED = [
  "text grüße",
  "binary true",
  "close 4001 done true",
  "error",
  "close 1006  false",
  "event 1",
  "event 2",
  "event 3",
  "upload 200 200000",
];

const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script>${SCRIPT}</script>`;

describe("a browser", () => {
  const server = createServer(serve);
  let gateway: Gateway;
  let onReport: (log: unknown) => void = () => undefined;
  let events: ServerResponse | null = null;
  let eventCount = 0;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request.url ?? "", Buffer.concat(chunks), response));
  }

  /** The next event is sent only when the page has told that it has the one before. */
  function answer(url: string, body: Buffer, response: ServerResponse): void {
    if (url === "/events") {
      events = response.writeHead(200, { "content-type": "text/event-stream" });
      events.write("data: 1\n\n");
      eventCount = 1;
    } else if (url === "/next") {
      response.end();
      events?.write(`data: ${++eventCount}\n\n`);
    } else if (url === "/report") {
      response.end();
      onReport(JSON.parse(body.toString()));
    } else if (url === "/upload") response.end(String(body.length));
    else response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
  }

  before(async () => {
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "two" });
    server.on("upgrade", (request, socket, head) => {
      if (request.url === "/refused") socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      else sockets.handleUpgrade(request, socket, head, echo);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { cert, key } = selfSigned("localhost");
    gateway = await startGateway(
      `
listeners:
  - name: public
    bind: "127.0.0.1:0"
    protocol: https
    tls: { certificates: [{ cert: cert.pem, key: key.pem }] }
    webSocket: { compression: true }
  - name: modern
    bind: "127.0.0.1:0"
    protocol: h2
    tls: { certificates: [{ cert: cert.pem, key: key.pem }] }
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, endpoints: { static: [{ address: "127.0.0.1:${(server.address() as AddressInfo).port}" }] } }]
workers: 1
admin: { bind: "127.0.0.1:0" }
`,
      { files: { "cert.pem": cert, "key.pem": key } },
    );
  });
  after(async () => {
    await gateway.stop();
    server.closeAllConnections();
    server.close();
  });

  it("opens a WebSocket, hears of a refusal, takes events as they come and uploads", { timeout: 60_000 }, async (t) => {
    if (!needProgram(t, "chromium")) return;
    const { log, network } = await visit(`https://localhost:${gateway.port("public")}/`);
    const extensions = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    assert.deepEqual(log, [`open two|${extensions}`, ...TALKED, "spoke http/1.1"]);
    assert.match(network, /Upgrade: websocket/i);
  });

  it("does all of that over HTTP/2, both WebSockets too", { timeout: 60_000 }, async (t) => {
    if (!needProgram(t, "chromium")) return;
    const { log, network } = await visit(`https://localhost:${gateway.port("modern")}/`);
    assert.deepEqual(log, ["open two|", ...TALKED, "spoke h2"]);
    const asked = [...network.matchAll(/":path: ([^"]*)",":protocol: websocket"/g)].map(([, path]) => path);
    assert.deepEqual([...new Set(asked)], ["/socket", "/refused"]);
    assert.doesNotMatch(network, /Upgrade: websocket/i);
  });

  /** What the page reports, and what the browser says it has sent and received. */
  async function visit(url: string): Promise<{ log: unknown; network: string }> {
    const report = new Promise<unknown>((resolve) => {
      onReport = resolve;
    });
    const profile = mkdtempSync(join(tmpdir(), "windrose-browser-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"];
    const networkLog = join(profile, "network.json");
    const options = ["--ignore-certificate-errors", `--user-data-dir=${profile}`, `--log-net-log=${networkLog}`];
    const browser = spawn("chromium", [...flags, ...options, url], { stdio: "ignore" });
    const ended = once(browser, "exit");
    try {
      const log = await report;
      browser.kill("SIGTERM");
      await ended;
      return { log, network: readFileSync(networkLog, "utf8") };
    } finally {
      browser.kill("SIGTERM");
      await ended;
      // Its helpers outlive it for a moment and still write there.
      await eventually(() => isRemoved(profile), "the profile is gone", 30_000);
    }
  }
});

function isRemoved(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}
