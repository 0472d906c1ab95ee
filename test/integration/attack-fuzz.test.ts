/**
 * Some hundred exchanges made up by a generator: any split of the bytes, faults at any place, on both sides at once.
 * FUZZ_SEED and FUZZ_COUNT repeat or extend a run. What must hold for each: no answer but its own, no wrong body, nothing
 * truncated that looks whole; and for all: counted once in metrics and log, and the worker lives.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { connectRaw, parseResponses } from "../support/raw-socket.js";
import {
  inParallel,
  metric,
  type RecordingUpstream,
  type StrictRequest,
  seeded,
  sha,
  startRecordingUpstream,
  untilIdle,
} from "./attack-support.js";

const SEED = Number(process.env.FUZZ_SEED ?? 20_261_120);
const COUNT = Number(process.env.FUZZ_COUNT ?? 400);

type Random = (below: number) => number;
type UpstreamFault = "none" | "cut" | "reset" | "garbage" | "lost-chunk";
type ClientFault = "none" | "leave" | "half-close" | "slow-reader";

interface Plan {
  readonly id: number;
  readonly method: string;
  readonly upload: string;
  readonly isUploadChunked: boolean;
  readonly download: string;
  readonly isDownloadChunked: boolean;
  readonly upstreamFault: UpstreamFault;
  readonly clientFault: ClientFault;
  readonly seed: number;
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random(choices.length)] as T;
}

function content(random: Random): string {
  const size = pick(random, [0, 1, 100, 5_000, 16_384, 70_000, 300_000]);
  const length = size === 0 ? 0 : 1 + random(size * 2);
  const start = random(1_000_000);
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${start + i}|`;
  return text.slice(0, length);
}

function planOf(random: Random, id: number): Plan {
  const method = pick(random, ["GET", "POST", "PUT", "HEAD", "DELETE"]);
  return {
    id,
    method,
    upload: method === "GET" || method === "HEAD" ? "" : content(random),
    isUploadChunked: random(2) === 0,
    download: content(random),
    isDownloadChunked: random(2) === 0,
    upstreamFault: pick(random, ["none", "none", "none", "none", "cut", "reset", "garbage", "lost-chunk"]),
    clientFault: pick(random, ["none", "none", "none", "none", "leave", "half-close", "slow-reader"]),
    seed: random(2 ** 31),
  };
}

function chunked(text: string, random: Random): string {
  let framed = "";
  for (let at = 0; at < text.length; ) {
    const size = Math.min(text.length - at, 1 + random(pick(random, [3, 500, 40_000])));
    framed += `${size.toString(16)}\r\n${text.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${framed}0\r\n\r\n`;
}

function requestText(plan: Plan, random: Random): string {
  const framing =
    plan.upload === "" ? "" : plan.isUploadChunked ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${plan.upload.length}\r\n`;
  const body = framing.startsWith("T") ? chunked(plan.upload, random) : plan.upload;
  return `${plan.method} /fuzz/${plan.id} HTTP/1.1\r\nHost: api.test\r\n${framing}\r\n${body}`;
}

function responseText(plan: Plan, request: StrictRequest, random: Random): string {
  const head = `HTTP/1.1 200 OK\r\nX-Plan: ${plan.id}\r\nX-Upload: ${sha(request.body)}\r\n`;
  if (!plan.isDownloadChunked)
    return `${head}Content-Length: ${plan.download.length}\r\n\r\n${plan.method === "HEAD" ? "" : plan.download}`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${plan.method === "HEAD" ? "" : chunked(plan.download, random)}`;
}

/** What the service says, and how it ends. True when it can be taken for whole. */
function damaged(text: string, plan: Plan, random: Random): { readonly text: string; readonly end: "open" | "close" | "reset" } {
  const at = random(text.length);
  switch (plan.upstreamFault) {
    case "cut":
      return { text: text.slice(0, at), end: "close" };
    case "reset":
      return { text: text.slice(0, at), end: "reset" };
    case "garbage":
      return { text: `\x16\x03${text}`, end: "open" };
    case "lost-chunk":
      return { text: text.endsWith("0\r\n\r\n") ? text.slice(0, -5) : text.slice(0, -1), end: "close" };
    default:
      return { text, end: "open" };
  }
}

async function writePieces(socket: Socket, text: string, random: Random): Promise<void> {
  const pieces = 1 + random(5);
  let at = 0;
  for (let piece = 1; piece <= pieces && socket.writable; piece++) {
    const next = piece === pieces ? text.length : at + random(text.length - at + 1);
    socket.write(text.slice(at, next), "latin1");
    at = next;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe(`exchanges made up from seed ${SEED}`, { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  const random = seeded(SEED);
  const plans = Array.from({ length: COUNT }, (_, id) => planOf(random, id));
  let upstream: RecordingUpstream;
  let gateway: Gateway;
  let worker: number;
  before(async () => {
    upstream = await startRecordingUpstream((request, socket) => {
      const plan = plans[Number(request.target.slice("/fuzz/".length))];
      if (plan === undefined) return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      const choices = seeded(plan.seed + 1);
      const { text, end } = damaged(responseText(plan, request, choices), plan, choices);
      void writePieces(socket, text, choices).then(() => {
        if (end === "close") socket.end();
        else if (end === "reset") socket.resetAndDestroy();
      });
      return null;
    });
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }], retry: { attempts: 0 } }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    worker = workerPid(gateway);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  async function run(plan: Plan): Promise<"whole" | "failed" | "left"> {
    const choices = seeded(plan.seed);
    const raw = await connectRaw({ port: gateway.port("public") });
    const text = requestText(plan, choices);
    if (plan.clientFault === "slow-reader") raw.socket.pause();
    if (plan.clientFault === "leave") {
      await writePieces(raw.socket, text.slice(0, 1 + choices(text.length)), choices);
      if (choices(2) === 0) raw.destroy();
      else raw.socket.resetAndDestroy();
      return "left";
    }
    await writePieces(raw.socket, text, choices);
    if (plan.clientFault === "half-close") raw.socket.end();
    if (plan.clientFault === "slow-reader") setTimeout(() => raw.socket.resume(), 50);
    const isHead = plan.method === "HEAD";
    const answer = await raw.until((all) => parseResponses(all, isHead).length > 0, 20_000).catch(() => raw.text());
    raw.destroy();
    return judge(plan, answer, parseResponses(answer, isHead));
  }

  function judge(plan: Plan, answer: string, [response]: ReturnType<typeof parseResponses>): "whole" | "failed" {
    const told = `plan ${JSON.stringify({ ...plan, upload: plan.upload.length, download: plan.download.length })}`;
    if (response === undefined || response.status >= 500) {
      assert.ok(
        plan.upstreamFault !== "none" || plan.clientFault === "half-close",
        `${told} failed without a fault: ${answer.slice(0, 300)}`,
      );
      return "failed";
    }
    assert.equal(response.status, 200, told);
    assert.equal(response.headers.get("x-plan"), String(plan.id), told);
    assert.equal(response.headers.get("x-upload"), sha(plan.upload), told);
    assert.equal(response.body, plan.method === "HEAD" ? "" : plan.download, told);
    return "whole";
  }

  it("are whole and right, or visibly failed", { timeout: 120_000 }, async () => {
    const counts = { whole: 0, failed: 0, left: 0 };
    await inParallel(plans, 24, async (plan) => {
      counts[await run(plan)]++;
    });
    assert.deepEqual(upstream.faults, []);
    assert.ok(counts.whole > COUNT / 4 && counts.failed > COUNT / 10 && counts.left > 0, JSON.stringify(counts));
    await untilIdle(gateway);
  });

  it("are each counted once, and the worker is still the first one", async () => {
    const { status } = await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/fuzz/none`);
    assert.equal(status, 200, gateway.stdout().slice(-700));
    const finished = await metric(gateway, "windrose_requests_total");
    const lines = await eventually(() => {
      const all = logLines(gateway.stdout());
      return all.length >= finished ? all : null;
    }, `${finished} log lines`);
    assert.equal(lines.length, finished);
    assert.equal(new Set(lines.map((line) => line.requestId)).size, finished);
    assert.ok(finished > COUNT * 0.8);
    assert.equal(workerPid(gateway), worker);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});
