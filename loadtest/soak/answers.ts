/** How a service carries out the order of one request, and what it checks while it does. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { ContentCheck, contentOf } from "./content.js";
import { faultNamed } from "./faults.js";
import type { Ledger } from "./ledger.js";
import { decodeOrder, EVIL_ID, ID_HEADER, type Order, UPLOAD_HEADER, uploadName } from "./order.js";
import { hashOf, Random } from "./random.js";
import { drained } from "./streams.js";

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  readonly order: Order;
  readonly random: Random;
  readonly ledger: Ledger;
}

/** Longer than the gateway waits for anything. */
const UNREAD_MS = 12_000;

/** Never rejects: whatever the gateway does to the connection ends the visit quietly. */
export async function answer(request: IncomingMessage, response: ServerResponse, ledger: Ledger): Promise<void> {
  const url = new URL(request.url ?? "/", "http://service");
  const id = url.pathname.split("/").at(-1) ?? "";
  const visit = { request, response, id, order: decodeOrder(url.searchParams), random: new Random(hashOf(id)), ledger };
  const attempt = ledger.attempt(id);
  checkHead(visit, attempt);
  try {
    if (visit.order.fault !== "" && attempt <= visit.order.failures) await fail(visit);
    else await serve(visit);
  } catch {
    request.destroy();
  }
}

function checkHead({ request, id, ledger }: Visit, attempt: number): void {
  if (id.startsWith(EVIL_ID)) ledger.violation(`${id}: a malformed request was passed on`);
  if (request.headers[ID_HEADER] !== id) ledger.violation(`${id}: the head of another request, ${String(request.headers[ID_HEADER])}`);
  // RFC 9110 §9.2.2: nobody but the client may repeat a POST that a service may have acted upon.
  if (request.method === "POST" && attempt > 1) ledger.violation(`${id}: a POST came ${attempt} times`);
}

async function fail(visit: Visit): Promise<void> {
  const { order, random } = visit;
  if (random.chance(0.5) && !(await readUpload(visit))) return;
  const status = /^answers (\d{3})$/.exec(order.fault)?.[1];
  if (status !== undefined) await send({ ...visit, order: { ...order, status: Number(status) } });
  else playFault(visit);
}

function playFault({ request, order, random, id }: Visit): void {
  faultNamed(order.fault).play({ socket: request.socket, id, bytes: order.bytes, random });
  // Who does not read an upload does not see that the gateway has left: look for it once it must have.
  setTimeout(() => request.resume(), UNREAD_MS).unref();
}

async function serve(visit: Visit): Promise<void> {
  const { request, response, order, id } = visit;
  for (let i = 0; i < order.interim; i++) sendInterim(response, i);
  if (order.echo === "stream") return streamBack(visit);
  if (order.isEarly) void readUpload(visit);
  else if (!(await readUpload(visit))) return;
  if (order.waitMs > 0) await delay(order.waitMs);
  const name = order.echo === "whole" ? uploadName(id) : id;
  const bytes = order.echo === "whole" ? announcedBytes(request) : order.bytes;
  await send(visit, name, bytes);
}

function sendInterim(response: ServerResponse, index: number): void {
  if (index % 3 === 0) response.writeEarlyHints({ link: "</style.css>; rel=preload" });
  else if (index % 3 === 1) response.writeProcessing();
  else response.writeContinue();
}

// ── Uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────

function announcedBytes(request: IncomingMessage): number {
  return Number(request.headers[UPLOAD_HEADER] ?? 0);
}

/** False: it did not come to its end. One that did must be the whole of what the client meant to send. */
async function readUpload(visit: Visit): Promise<boolean> {
  const { request, id, order, ledger } = visit;
  const check = new ContentCheck(uploadName(id));
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      check.feed(piece);
      if (order.sipMs > 0) await delay(order.sipMs);
    }
  } catch {
    return false;
  }
  if (!request.complete) return false;
  checkUpload(check, announcedBytes(request), id, ledger);
  return true;
}

function checkUpload(check: ContentCheck, announced: number, id: string, ledger: Ledger): void {
  if (check.flaw !== "") ledger.violation(`${id}: upload with ${check.flaw}`);
  if (check.receivedBytes !== announced)
    ledger.violation(`${id}: an upload of ${announced} bytes ended after ${check.receivedBytes} as if it were whole`);
}

async function streamBack(visit: Visit): Promise<void> {
  const { request, response, id, order, ledger } = visit;
  const check = new ContentCheck(uploadName(id));
  writeHead(visit, announcedBytes(request));
  for await (const piece of request as AsyncIterable<Buffer>) {
    check.feed(piece);
    await write(response, piece);
    if (order.sipMs > 0) await delay(order.sipMs);
  }
  if (!request.complete) return void request.destroy();
  checkUpload(check, announcedBytes(request), id, ledger);
  response.end();
}

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

function writeHead({ response, id, order }: Visit, bytes: number): void {
  response.statusCode = order.status;
  response.setHeader(ID_HEADER, id);
  const isBodiless = order.status === 204 || order.status === 304;
  if (order.framing === "length" && !isBodiless) response.setHeader("content-length", bytes);
  if (order.framing === "close") response.useChunkedEncodingByDefault = false;
  if (order.framing === "chunked" && order.hasTrailers) response.setHeader("trailer", "x-checksum");
  response.flushHeaders();
}

async function send(visit: Visit, name = visit.id, bytes = visit.order.bytes): Promise<void> {
  const { request, response, order } = visit;
  writeHead(visit, bytes);
  if (request.method !== "HEAD" && order.status !== 204 && order.status !== 304) await sendBody(visit, name, bytes);
  if (order.framing === "chunked" && order.hasTrailers) response.addTrailers({ "x-checksum": "none" });
  response.end();
}

async function sendBody({ response, order, random }: Visit, name: string, bytes: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes / order.pieces));
  for (let at = 0; at < bytes; at += size) {
    if (at > 0 && order.pauseMs > 0) await delay(random.below(order.pauseMs * 2));
    await write(response, contentOf(name, at, Math.min(bytes, at + size)));
  }
}

async function write(response: ServerResponse, piece: Buffer): Promise<void> {
  if (response.destroyed) throw new Error("the gateway is gone");
  if (!response.write(piece)) await drained(response);
}
