/**
 * Streams of server-sent events and long polls through a whole gateway. The service sends an event only after the client
 * has confirmed the one before, so nothing that waits for more could pass.
 */
import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { after, before, describe, it } from "node:test";
import { type CertificateFiles, developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { metric, untilIdle } from "./attack-support.js";

const EVENT_STREAM = { "content-type": "text/event-stream", "cache-control": "no-cache" };
const STREAM_IDLE_MS = 600;

/** The client's side of one exchange. */
interface Reader {
  readonly response: IncomingMessage;
  text(): string;
  /** Null while the response goes on, then "end" or the error. */
  over(): string | null;
  leave(): void;
}

describe("streams of events", () => {
  let files: CertificateFiles;
  let upstream: Upstream;
  let gateway: Gateway;
  /** What the service holds open, by path. */
  const held = new Map<string, ServerResponse>();
  const left = new Set<string>();

  before(async () => {
    files = await developmentCertificates();
    upstream = await startStreamingUpstream((request, response) => {
      const path = request.url ?? "";
      held.set(path, response);
      response.on("close", () => void (response.writableFinished || left.add(path)));
    });
    const common = `direction: ingress, bind: "127.0.0.1:0", timeouts: { streamIdle: ${STREAM_IDLE_MS}ms }`;
    gateway = await startGateway(
      `
listeners:
  - { name: http, protocol: http, ${common} }
  - { name: https, protocol: https, tls: ${EDGE_TLS}, ${common} }
routes:
  - { name: poll, match: [{ path: { type: PathPrefix, value: /poll } }], backends: [{ service: app }], timeouts: { request: 1500ms } }
  - { name: all, backends: [{ service: app }], timeouts: { request: 0s } }
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files },
    );
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  /** Resolves with the head of the response. */
  function open(path: string, listener = "http"): Promise<Reader> {
    const address = { host: "127.0.0.1", port: gateway.port(listener), path, agent: false };
    const request = listener === "https" ? httpsRequest({ ...address, ca: files["ca.pem"] }) : httpRequest(address);
    return new Promise((resolve, reject) => {
      request.on("error", reject).on("response", (response) => {
        let text = "";
        let over: string | null = null;
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => {
          over ??= "end";
        });
        response.on("error", (error: NodeJS.ErrnoException) => {
          over ??= error.code ?? error.message;
        });
        resolve({ response, text: () => text, over: () => over, leave: () => request.destroy() });
      });
      request.end();
    });
  }

  const service = (path: string): Promise<ServerResponse> => eventually(() => held.get(path), `the request for ${path}`);

  async function say(path: string, bytes: string | Buffer): Promise<void> {
    (await service(path)).write(bytes);
  }

  const logged = (path: string): Promise<Record<string, unknown>> =>
    eventually(() => logLines(gateway.stdout()).find((line) => line.path === path), `a log line for ${path}`);

  for (const listener of ["http", "https"]) {
    it(`pass over ${listener} as they are sent, event by event, comments included`, async () => {
      const path = `/events-${listener}`;
      const opened = open(path, listener);
      let expected = "retry: 500\n\n";
      (await service(path)).writeHead(200, EVENT_STREAM).write(expected);
      const reader = await opened;
      assert.equal(reader.response.headers["content-type"], "text/event-stream");
      assert.equal(reader.response.headers["transfer-encoding"], "chunked");
      for (const event of [
        "data: one\n\n",
        ": still here\n\n",
        "id: 2\ndata: t",
        "wo\n",
        "\n",
        `data: ${"x".repeat(40_000)}\n\n`,
        "data: end\n\n",
      ]) {
        await eventually(() => reader.text() === expected, `what was sent before ${JSON.stringify(event.slice(0, 20))}`);
        await say(path, event);
        expected += event;
      }
      await eventually(() => reader.text() === expected, "the last event");
      (await service(path)).end();
      await eventually(() => reader.over() === "end", "the end");
      assert.equal(reader.text(), expected);
    });
  }

  it("are known to be open before their first event, and a byte order mark of theirs does no harm", async () => {
    const opened = open("/silent");
    (await service("/silent")).writeHead(200, EVENT_STREAM).flushHeaders();
    const reader = await opened;
    assert.equal(reader.response.statusCode, 200);
    await say("/silent", "\ufeffdata: first\n\n");
    await eventually(() => reader.text() === ":\n\ndata: first\n\n", "the comment and the event");
    await say("/silent", "data: second\n\n");
    await eventually(() => reader.text() === ":\n\ndata: first\n\ndata: second\n\n", "the second event");
    reader.leave();
  });

  it("stay untouched when that is asked for, when they are compressed, and when they are something else", async () => {
    const heads: readonly Record<string, string>[] = [
      { ...EVENT_STREAM, "cache-control": "no-store, no-transform" },
      { ...EVENT_STREAM, "content-encoding": "gzip" },
      { "content-type": "text/event-stream2" },
      { "content-type": "application/json" },
    ];
    const opened = heads.map((head, index) => open(`/untouched/${index}`).then((reader) => ({ reader, head })));
    for (const [index, head] of heads.entries()) (await service(`/untouched/${index}`)).writeHead(200, head).flushHeaders();
    // One that came later has been opened: these would have been as well.
    const late = open("/silent-too");
    (await service("/silent-too")).writeHead(200, EVENT_STREAM).flushHeaders();
    (await late).leave();
    let early = 0;
    for (const one of opened) void one.then(() => early++);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(early, 0);
    for (const index of heads.keys()) await say(`/untouched/${index}`, "first");
    for (const one of opened) {
      const { reader } = await one;
      await eventually(() => reader.text() === "first", "exactly what was sent");
      reader.leave();
    }
  });

  it("with nothing said yet turn into 502 when their service dies", async () => {
    const opened = open("/dies-early");
    const response = await service("/dies-early");
    response.writeHead(200, { "content-type": "application/x-ndjson" }).flushHeaders();
    await eventually(async () => (await metric(gateway, "http_server_active_requests")) > 0, "the exchange");
    response.socket?.resetAndDestroy();
    assert.equal((await opened).response.statusCode, 502);
  });

  it("live on as long as something is said within streamIdle, and end as broken after it", async () => {
    const opened = open("/idle");
    (await service("/idle")).writeHead(200, EVENT_STREAM).write("data: 0\n\n");
    const reader = await opened;
    const startedAt = performance.now();
    for (let round = 1; performance.now() - startedAt < 2 * STREAM_IDLE_MS; round++) {
      await new Promise((resolve) => setTimeout(resolve, STREAM_IDLE_MS / 3));
      await say("/idle", `: ${round}\n\n`);
      await eventually(() => reader.text().endsWith(`: ${round}\n\n`), "the comment");
    }
    assert.equal(reader.over(), null);
    await eventually(() => reader.over() !== null, "the end of patience");
    assert.notEqual(reader.over(), "end");
    await eventually(() => left.has("/idle"), "the service to notice");
    assert.equal((await logged("/idle")).flag, "UT");
  });

  it("are ended at the service as soon as their client leaves", async () => {
    for (const [path, first] of [
      ["/left", "data: 1\n\n"],
      ["/left-before-an-event", ""],
    ] as const) {
      const opened = open(path);
      const response = (await service(path)).writeHead(200, EVENT_STREAM);
      if (first === "") response.flushHeaders();
      else response.write(first);
      (await opened).leave();
      await eventually(() => left.has(path), "the service to notice", 2_000);
      assert.equal((await logged(path)).flag, "DC");
    }
    await untilIdle(gateway);
  });

  for (const [how, flag, end] of [
    ["closes", "UC", (response: ServerResponse) => response.socket?.end()],
    ["resets", "UR", (response: ServerResponse) => response.socket?.resetAndDestroy()],
  ] as const) {
    it(`are broken for their client when the service ${how}, never ended in good order`, async () => {
      const path = `/service-${how}`;
      const opened = open(path);
      const response = await service(path);
      response.writeHead(200, EVENT_STREAM).write("data: 1\n\n");
      const reader = await opened;
      await eventually(() => reader.text() === "data: 1\n\n", "the event");
      end(response);
      await eventually(() => reader.over() !== null, "the end");
      assert.notEqual(reader.over(), "end");
      assert.equal((await logged(path)).flag, flag);
    });
  }

  it("that are long polls are answered whenever the service answers, piece by piece", async () => {
    const opened = open("/poll/answered");
    const response = await service("/poll/answered");
    // Longer than streamIdle: before its answer a long poll is the route's matter.
    await new Promise((resolve) => setTimeout(resolve, 1.5 * STREAM_IDLE_MS));
    response.writeHead(200, { "content-length": "6" }).flushHeaders();
    const reader = await opened;
    assert.equal(reader.response.headers["content-length"], "6");
    let expected = "";
    for (const letter of "answer") {
      assert.equal(reader.over(), null);
      response.write(letter);
      expected += letter;
      await eventually(() => reader.text() === expected, expected);
    }
    await eventually(() => reader.over() === "end", "the end");
    response.end();
  });

  it("that are long polls get 504 when the route's time is over", async () => {
    const { response } = await open("/poll/never");
    assert.equal(response.statusCode, 504);
    assert.equal((await logged("/poll/never")).flag, "UT");
    await eventually(() => left.has("/poll/never"), "the service to notice");
  });
});
