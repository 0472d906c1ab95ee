/**
 * The WebSocket clients: each holds one conversation after the other with the service of websocket-service.ts, checks
 * every message that comes back, the order, pongs, and how it ends.
 */
import { WebSocket } from "ws";
import { contentOf, textOf } from "./content.js";
import { ID_HEADER } from "./order.js";
import { Random } from "./random.js";
import type { Tally } from "./tally.js";
import { SUBPROTOCOL } from "./websocket-service.js";

export interface WebSocketSetting {
  readonly count: number;
  readonly seed: number;
  readonly ports: { readonly plain: number; readonly secure: number };
  /** Of the service itself; 0: go through the gateway. */
  readonly directPort: number;
}

interface Script {
  readonly kind: string;
  readonly messages: number;
  readonly query: Readonly<Record<string, string>>;
  /** How the client ends it once all is said. */
  readonly ending: { readonly code: number; readonly reason: string } | "vanishes" | "waits";
  /** What the client must see at the end; null: whatever. */
  readonly sees: (code: number, reason: string, echoes: number) => boolean;
}

interface Message {
  readonly content: Buffer | string;
}

const MAX_BYTES = 200 * 1024;
/** Messages on their way at once: gateways bound what they keep for a slow side. */
const WINDOW = 4;
const STUCK_MS = 60_000;
/** What may show when a peer vanishes: never a good end. */
const GOOD_CODES = [1000, 1005];

export async function runWebSockets(setting: WebSocketSetting, tally: Tally, stop: { readonly isAsked: boolean }): Promise<void> {
  await Promise.all(Array.from({ length: setting.count }, (_, index) => runLane(index, setting, tally, stop)));
}

async function runLane(index: number, setting: WebSocketSetting, tally: Tally, stop: { readonly isAsked: boolean }): Promise<void> {
  const random = new Random(setting.seed * 20_011 + index);
  for (let n = 0; !stop.isAsked; n++) {
    const id = `w${index}-${n}`;
    const script = writeScript(random);
    const { outcome, why, bytes } = await converse(urlFor(setting, index, id, script), id, script, random);
    tally.count(script.kind, outcome, bytes);
    if (why !== "") tally.wrong(script.kind, `${id} ${JSON.stringify(script.query)}`, why);
    // A service that refuses at once must not be asked without pause.
    if (script.messages === 0 || why !== "") await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function urlFor({ ports, directPort }: WebSocketSetting, index: number, id: string, { query }: Script): string {
  const isTls = index % 2 === 1 && directPort === 0;
  const port = directPort !== 0 ? directPort : isTls ? ports.secure : ports.plain;
  return `${isTls ? "wss" : "ws"}://127.0.0.1:${port}/socket/${id}?${new URLSearchParams(query).toString()}`;
}

function writeScript(random: Random): Script {
  const messages = random.between(1, 30);
  const code = random.chance(0.5) ? 1000 : random.between(4000, 4999); // a client's 1012 to 3999 get lost: README
  const reason = `é${"x".repeat(random.below(60))}`;
  const at = random.next();
  if (at < 0.5) {
    const query = { says: String(code), why: reason };
    return {
      kind: "ws: client closes",
      messages,
      query,
      ending: { code, reason },
      sees: (seen, _, echoes) => seen === code && echoes === messages,
    };
  }
  const after = random.between(0, messages);
  const ending = "waits";
  if (at < 0.75) {
    const sees: Script["sees"] = (seen, why, echoes) => seen === code && why === reason && echoes === after;
    return { kind: "ws: service closes", messages, query: { after: String(after), close: String(code), reason }, ending, sees };
  }
  if (at < 0.85) {
    return { kind: "ws: service vanishes", messages, query: { after: String(after) }, ending, sees: (seen) => !GOOD_CODES.includes(seen) };
  }
  if (at < 0.97) return { kind: "ws: client vanishes", messages, query: {}, ending: "vanishes", sees: () => true };
  return { kind: "ws: refused", messages: 0, query: { refuse: "403" }, ending, sees: () => false };
}

interface Ended {
  readonly outcome: string;
  /** "" when all was right. */
  readonly why: string;
  readonly bytes: number;
}

function converse(url: string, id: string, script: Script, random: Random): Promise<Ended> {
  return new Promise((resolve) => new Conversation(url, id, script, random, resolve));
}

class Conversation {
  readonly #socket: WebSocket;
  readonly #id: string;
  readonly #script: Script;
  readonly #random: Random;
  readonly #done: (ended: Ended) => void;
  readonly #watchdog: NodeJS.Timeout;
  /** Sent and not come back. */
  readonly #underWay: Message[] = [];
  #sent = 0;
  #echoes = 0;
  #bytes = 0;
  #pings: string[] = [];
  #flaw = "";
  #isOver = false;

  constructor(url: string, id: string, script: Script, random: Random, done: (ended: Ended) => void) {
    this.#id = id;
    this.#script = script;
    this.#random = random;
    this.#done = done;
    const headers = { host: "soak.test", [ID_HEADER]: id };
    const socket = new WebSocket(url, [SUBPROTOCOL, "soak.v0"], {
      headers,
      rejectUnauthorized: false,
      perMessageDeflate: random.chance(0.3),
    });
    this.#socket = socket;
    this.#watchdog = setTimeout(() => this.#finish("stuck", `stuck after ${this.#echoes} of ${script.messages} messages`), STUCK_MS);
    socket.on("open", () => this.#onOpen());
    socket.on("message", (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
    socket.on("pong", (data) => this.#onPong(data.toString()));
    socket.on("unexpected-response", (_request, response) => this.#onRefused(response.statusCode ?? 0));
    socket.on("error", (error) => this.#note(error.message));
    socket.on("close", (code, reason) => this.#onClose(code, reason.toString()));
  }

  #onOpen(): void {
    if (this.#socket.protocol !== SUBPROTOCOL) this.#flaw = `subprotocol "${this.#socket.protocol}"`;
    this.#fill();
  }

  #fill(): void {
    while (this.#sent < this.#script.messages && this.#underWay.length < WINDOW) this.#send();
  }

  #send(): void {
    const random = this.#random;
    const name = `${this.#id} ${this.#sent++}`;
    const bytes = random.chance(0.05) ? 0 : Math.floor(MAX_BYTES ** random.next());
    const content = random.chance(0.5) ? contentOf(name, 0, bytes) : textOf(name, 0, Math.floor(bytes / 2));
    this.#underWay.push({ content });
    this.#socket.send(content);
    if (random.chance(0.1)) this.#ping(name);
  }

  #ping(payload: string): void {
    this.#pings.push(payload);
    this.#socket.ping(payload);
  }

  #onPong(payload: string): void {
    const index = this.#pings.indexOf(payload);
    if (index === -1) this.#note(`a pong for no ping: ${payload}`);
    else this.#pings.splice(0, index + 1);
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#bytes += data.length;
    const message = this.#underWay.shift();
    if (message === undefined) this.#note("a message that nobody sent");
    else if (!isSame(message, data, isBinary))
      this.#note(`message ${this.#echoes} came back wrong (${data.length} bytes, ${isBinary ? "binary" : "text"})`);
    this.#echoes++;
    if (this.#echoes === this.#script.messages) this.#end();
    else if (this.#random.chance(0.1)) setTimeout(() => this.#fill(), this.#random.below(200));
    else this.#fill();
    if (this.#script.ending === "vanishes" && this.#random.chance(0.1)) this.#socket.terminate();
  }

  #end(): void {
    const { ending } = this.#script;
    if (ending === "vanishes") this.#socket.terminate();
    else if (ending !== "waits") this.#socket.close(ending.code, ending.reason);
  }

  #onRefused(status: number): void {
    const isWanted = this.#script.query.refuse === String(status);
    this.#finish(`refused ${status}`, isWanted ? "" : `the upgrade was answered ${status}`);
    this.#socket.terminate();
  }

  #onClose(code: number, reason: string): void {
    const isRight = this.#script.sees(code, reason, this.#echoes);
    const seen = `closed with ${code} "${reason}" after ${this.#echoes} of ${this.#script.messages} messages`;
    const outcome = this.#isVanishing() ? "vanished" : code >= 3000 ? "closed with a code of its own" : `closed with ${code}`;
    this.#finish(outcome, this.#flaw || (isRight ? "" : seen));
  }

  #isVanishing(): boolean {
    return this.#script.ending === "vanishes" || this.#script.kind === "ws: service vanishes";
  }

  #note(flaw: string): void {
    // A peer that vanishes may show as an error of the socket.
    if (this.#flaw === "" && !(this.#isVanishing() && flaw.includes("ECONNRESET"))) this.#flaw = flaw;
  }

  #finish(outcome: string, why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#watchdog);
    if (outcome === "stuck") this.#socket.terminate();
    this.#done({ outcome, why, bytes: this.#bytes });
  }
}

function isSame({ content }: Message, data: Buffer, isBinary: boolean): boolean {
  return typeof content === "string" ? !isBinary && data.toString() === content : isBinary && data.equals(content);
}
