/** One exchange by node:http, carried out as its plan says, and what became of it. Every byte that comes back is checked. */
import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { ContentCheck, contentOf } from "./content.js";
import { ID_HEADER, UPLOAD_HEADER, uploadName } from "./order.js";
import type { Plan } from "./plans.js";
import { hashOf, Random } from "./random.js";

/** A client with a connection of its own, which it uses again and again. */
export interface Lane {
  readonly agent: Agent;
  readonly isTls: boolean;
  readonly port: number;
}

export type Outcome =
  /** Whole. `code` is "" when it is the service's own; `id` as the service stated it. */
  | {
      readonly type: "answer";
      readonly status: number;
      readonly id: string;
      readonly code: string;
      readonly bytes: number;
      readonly flaw: string;
    }
  /** It began and broke off. */
  | { readonly type: "broken"; readonly status: number; readonly flaw: string; readonly error: string }
  /** The connection ended without an answer. */
  | { readonly type: "closed"; readonly error: string }
  /** We left, as planned. */
  | { readonly type: "left"; readonly flaw: string }
  | { readonly type: "stuck"; readonly where: string };

/** Longer than anything the gateway allows. */
const STUCK_MS = 40_000;
/** So long is a slow reader slow: in a busy loop each of its pauses may last. */
const SLOW_MS = 4_000;
const MAX_LOCAL_BYTES = 16 * 1024;
const MAX_PIECE_BYTES = 64 * 1024;
/** An upload that waits for every piece would take as many turns of a busy loop as it has pieces. */
const MAX_WAITING_BYTES = 256 * 1024;

export function runExchange(plan: Plan, lane: Lane): Promise<Outcome> {
  return new Promise((resolve) => new Exchange(plan, lane, resolve).start());
}

class Exchange {
  readonly #plan: Plan;
  readonly #request: ClientRequest;
  readonly #done: (outcome: Outcome) => void;
  readonly #random: Random;
  readonly #check: ContentCheck;
  readonly #watchdog: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  #localText = "";
  /** Since the last rest of a slow reader. */
  #readBytes = 0;
  #response: IncomingMessage | null = null;
  #isOver = false;

  constructor(plan: Plan, lane: Lane, done: (outcome: Outcome) => void) {
    this.#plan = plan;
    this.#done = done;
    this.#random = new Random(hashOf(plan.id));
    this.#check = new ContentCheck(plan.expected.isEcho ? uploadName(plan.id) : plan.id);
    this.#watchdog = setTimeout(() => this.#finish({ type: "stuck", where: this.#where() }), STUCK_MS);
    const options = {
      agent: lane.agent,
      host: "127.0.0.1",
      port: lane.port,
      method: plan.method,
      path: plan.target,
      headers: headersOf(plan),
    };
    this.#request = lane.isTls ? httpsRequest(options) : httpRequest(options);
  }

  start(): void {
    const request = this.#request;
    request.on("response", (response) => this.#onResponse(response));
    request.on("error", (error: NodeJS.ErrnoException) => this.#onEnded(error.code ?? error.message));
    const { upload, conduct } = this.#plan;
    if (conduct === "leaves before the head")
      request.once("finish", () => setTimeout(() => this.#leaveUnanswered(), this.#random.below(200)));
    if (upload === null) request.end();
    else if (upload.expectsContinue) request.once("continue", () => void this.#upload()).flushHeaders();
    else void this.#upload();
  }

  // ── The upload ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #upload(): Promise<void> {
    const { upload, conduct } = this.#plan;
    if (upload === null) return;
    const stopAt = upload.pace === "stalls" ? Math.min(1_000, upload.bytes - 1) : upload.bytes;
    const leaveAt = conduct === "leaves in the upload" ? this.#random.below(upload.bytes) : Number.POSITIVE_INFINITY;
    for (let at = 0; at < stopAt && !this.#request.destroyed; ) {
      const size =
        upload.pace === "slow"
          ? Math.ceil(upload.bytes / 10)
          : this.#random.between(1, Math.max(MAX_PIECE_BYTES, Math.floor(upload.bytes / 8)));
      const end = Math.min(stopAt, at + size);
      await this.#write(contentOf(uploadName(this.#plan.id), at, end));
      at = end;
      if (at > leaveAt) return this.#leave();
      if (upload.pace === "slow") await sleep(this.#random.below(100));
    }
    if (this.#isOver) this.#request.destroy();
    else if (upload.pace !== "stalls") this.#request.end();
  }

  /** Not by `drain`, which node:http forgets when an interim and the final answer come in one packet. */
  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#request.write(piece, () => resolve());
      if (this.#request.writableLength < MAX_WAITING_BYTES) resolve();
    });
  }

  // ── The answer ─────────────────────────────────────────────────────────────────────────────────────────────────

  #onResponse(response: IncomingMessage): void {
    if (this.#isOver) return;
    this.#response = response;
    response.on("data", (piece: Buffer) => this.#onData(response, piece));
    response.on("error", (error: NodeJS.ErrnoException) => this.#onEnded(error.code ?? error.message));
    response.on("end", () => this.#onEnd(response));
    response.on("close", () => this.#onEnded("closed"));
  }

  #onData(response: IncomingMessage, piece: Buffer): void {
    if (this.#isOver) return;
    const isLocal = response.headers[ID_HEADER] === undefined;
    if (!isLocal) this.#check.feed(piece);
    else if (this.#localText.length < MAX_LOCAL_BYTES) this.#localText += piece.toString("latin1");
    if (this.#plan.conduct === "leaves in the body" && this.#random.chance(0.3)) this.#leave();
    else if (this.#plan.conduct === "reads slowly") this.#rest(response, piece.length);
  }

  /** Pauses of the same length in all for the same bytes, however small the pieces are that TLS makes of them. */
  #rest(response: IncomingMessage, bytes: number): void {
    this.#readBytes += bytes;
    if (this.#readBytes < MAX_PIECE_BYTES || performance.now() - this.#startedAt > SLOW_MS) return;
    this.#readBytes = 0;
    response.pause();
    setTimeout(() => response.resume(), this.#random.below(30));
  }

  #onEnd(response: IncomingMessage): void {
    if (!response.complete) return;
    this.#finish(this.#answer(response));
    // Answered early: node:http may not give the connection back, and the gateway closes it anyway.
    if (this.#plan.upload?.pace === "stalls" || this.#plan.upload?.expectsContinue === true) this.#request.destroy();
  }

  #answer({ headers, statusCode: status = 0 }: IncomingMessage): Outcome {
    const id = headers[ID_HEADER];
    const flaw = this.#check.flaw || framingFlaw(headers, status, this.#plan.method);
    if (typeof id === "string") return { type: "answer", status, id, code: "", bytes: this.#check.receivedBytes, flaw };
    return { type: "answer", status, id: "", ...readLocalReply(this.#localText, headers, status), bytes: this.#localText.length };
  }

  // ── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #leaveUnanswered(): void {
    if (this.#response === null) this.#leave();
  }

  #leave(): void {
    this.#finish({ type: "left", flaw: this.#check.flaw });
    this.#request.destroy();
  }

  #onEnded(error: string): void {
    if (this.#response === null) this.#finish({ type: "closed", error });
    else this.#finish({ type: "broken", status: this.#response.statusCode ?? 0, flaw: this.#check.flaw, error });
  }

  #where(): string {
    if (this.#response !== null) return `within the body, after ${this.#check.receivedBytes} bytes`;
    const { socket, writableFinished } = this.#request;
    if (socket === null || socket.connecting) return "not connected";
    return writableFinished ? "no answer" : "within the upload";
  }

  #finish(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#watchdog);
    if (outcome.type === "stuck") this.#request.destroy();
    this.#done(outcome);
  }
}

function headersOf({ id, headers, upload, conduct }: Plan): Record<string, string | number> {
  const fields: Record<string, string | number> = { host: "soak.test", [ID_HEADER]: id, ...headers };
  // What a slow reader has not read yet is out of the gateway's hands: for that its connection has been idle all the time.
  if (conduct === "reads slowly") fields["connection"] = "close";
  if (upload === null) return fields;
  fields[UPLOAD_HEADER] = upload.bytes;
  if (upload.framing === "length") fields["content-length"] = upload.bytes;
  else fields["transfer-encoding"] = "chunked";
  if (upload.expectsContinue) fields["expect"] = "100-continue";
  return fields;
}

/** Only a framed answer can be told from one that was cut. */
function framingFlaw(headers: IncomingMessage["headers"], status: number, method: string): string {
  if (method === "HEAD" || status === 204 || status === 304) return "";
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined ? "the end of the answer is not told" : "";
}

/** Problem details, as the gateway writes them for whoever states no Accept. */
function readLocalReply(text: string, headers: IncomingMessage["headers"], status: number): { code: string; flaw: string } {
  try {
    const problem = JSON.parse(text) as { code?: unknown; status?: unknown; id?: unknown };
    const isSound = problem.status === status && typeof problem.code === "string" && problem.id === headers["x-request-id"];
    return { code: String(problem.code), flaw: isSound ? "" : `a local reply that contradicts itself: ${text.slice(0, 200)}` };
  } catch {
    return { code: "unknown", flaw: `neither an answer of the service nor a local reply: ${status} ${JSON.stringify(text.slice(0, 200))}` };
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
