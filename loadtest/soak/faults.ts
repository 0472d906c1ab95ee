/**
 * Everything a service can do wrong within one answer: what it sends, and beside it what the client of a gateway may see
 * of that. A whole answer is right only where `wholeBytes` says so.
 */
import type { Socket } from "node:net";
import type { ErrorCode } from "../../src/engine/model/errors.js";
import { contentOf } from "./content.js";
import { ID_HEADER } from "./order.js";
import type { Random } from "./random.js";

export interface Stage {
  readonly socket: Socket;
  readonly id: string;
  /** Size of the body that a good answer would have. */
  readonly bytes: number;
  readonly random: Random;
}

export interface Fault {
  readonly name: string;
  /** Local replies that are right. */
  readonly codes: readonly ErrorCode[];
  /** The answer may begin and then break off. */
  readonly mayBreak: boolean;
  readonly maxBytes: number;
  /** Length of a whole answer that nobody could tell from a good one; null: no whole answer is right. */
  readonly wholeBytes: ((bytes: number) => number) | null;
  readonly play: (stage: Stage) => void;
}

const LOST: readonly ErrorCode[] = ["upstream-reset", "upstream-closed", "upstream-stale"];
const MALFORMED: readonly ErrorCode[] = ["upstream-protocol"];
const LATE: readonly ErrorCode[] = ["upstream-timeout"];
const MAX_BYTES = 512 * 1024;
/** Larger writes may be cut by the kernel, and the end of one then arrives when the connection serves somebody else. */
const ONE_PACKET_BYTES = 16 * 1024;
const CUT_OFF = 5;
/** A whole answer to somebody else: it must never reach anyone. */
const POISON = `HTTP/1.1 200 OK\r\n${ID_HEADER}: poison\r\ncontent-length: 6\r\n\r\npoison`;

export const FAULTS: readonly Fault[] = [
  lost("closes before the head", ({ socket }) => socket.end()),
  lost("resets before the head", ({ socket }) => socket.resetAndDestroy()),
  lost("closes in the head", (stage) => stage.socket.end(`HTTP/1.1 200 OK\r\n${ID_HEADER}: ${stage.id}\r\ncontent-le`)),
  lost("resets in the head", (stage) => breakOff(stage, `HTTP/1.1 200 OK\r\n${ID_HEADER}: ${stage.id}\r\ncontent-le`, true)),
  broken("closes in a body with length", (stage) =>
    breakOff(stage, withLength(stage).subarray(0, -1 - stage.random.below(stage.bytes)), false),
  ),
  broken("resets in a body with length", (stage) =>
    breakOff(stage, withLength(stage).subarray(0, -1 - stage.random.below(stage.bytes)), true),
  ),
  broken("announces more than it sends", (stage) => breakOff(stage, withLength(stage, stage.bytes + CUT_OFF), false)),
  broken("closes in a chunk", (stage) => breakOff(stage, halfChunk(stage), false)),
  broken("resets in a chunk", (stage) => breakOff(stage, halfChunk(stage), true)),
  broken("leaves the last chunk out", (stage) => breakOff(stage, chunked(stage).subarray(0, -CUT_OFF), false)),
  broken("resets a body that ends with the connection", (stage) =>
    breakOff(stage, join(head(stage, "connection: close"), body(stage)), true),
  ),
  surplus(
    "announces less than it sends",
    (bytes) => bytes - CUT_OFF,
    (stage) => withLength(stage, stage.bytes - CUT_OFF),
  ),
  surplus(
    "sends a second answer",
    (bytes) => bytes,
    (stage) => join(withLength(stage), POISON),
  ),
  surplus(
    "sends garbage behind the answer",
    (bytes) => bytes,
    (stage) => join(withLength(stage), "\0garbage"),
  ),
  malformed("states a length twice", (stage) => join(head(stage, "content-length: 3", "content-length: 3"), "abc")),
  malformed("states two lengths", (stage) => join(head(stage, "content-length: 3", `content-length: ${3 + POISON.length}`), "abc", POISON)),
  malformed("states length and coding", (stage) =>
    join(head(stage, "content-length: 3", "transfer-encoding: chunked"), "3\r\nabc\r\n0\r\n\r\n"),
  ),
  malformed("states an unknown coding", (stage) => head(stage, "transfer-encoding: gzip, chunked")),
  malformed("states a length that is none", (stage) => head(stage, "content-length: 0x10")),
  malformed("sends noise", (stage) => contentOf("noise", stage.random.below(1000), 4000)),
  malformed("greets like a mail server", () => "220 mail.example.test ESMTP\r\n"),
  malformed("answers without a head", (stage) => body(stage)),
  malformed("speaks HTTP/2", () => "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff\0\x06\0\0\x40\0"),
  malformed("answers as HTTP/3.1", () => "HTTP/3.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
  malformed("sends an impossible status", () => "HTTP/1.1 700 Odd\r\ncontent-length: 0\r\n\r\n"),
  malformed("switches protocols unasked", () => "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
  malformed("folds a field", (stage) => head(stage, "x-folded: a\r\n b", "content-length: 0")),
  malformed("puts a control byte into a field", (stage) => head(stage, "x-control: a\0b", "content-length: 0")),
  malformed("leaves a space before the colon", (stage) => head(stage, "content-length : 0")),
  malformed("ends lines with LF only", (stage) => `HTTP/1.1 200 OK\n${ID_HEADER}: ${stage.id}\ncontent-length: 0\n\n`),
  malformed("sends too many fields", (stage) =>
    head(stage, ...Array.from({ length: 400 }, (_, i) => `x-bomb-${i}: ${i}`), "content-length: 0"),
  ),
  malformed("sends an endless field", (stage) => `HTTP/1.1 200 OK\r\n${ID_HEADER}: ${stage.id}\r\nx-bomb: ${"x".repeat(300_000)}`),
  malformed("sends an endless status line", () => `HTTP/1.1 200 ${"O".repeat(300_000)}`),
  malformed("floods with interim answers", (stage) =>
    join("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(200), withLength(stage)),
  ),
  malformed("sends a body with 204", () => "HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\npoison"),
  malformed("chunks in HTTP/1.0", () => "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
  badChunks("sends a chunk size that is none", (stage) => join(halfChunk(stage, stage.bytes), "\r\nzz\r\n")),
  badChunks("sends a huge chunk size", (stage) => join(halfChunk(stage, stage.bytes), `\r\n${"f".repeat(40)}\r\n`)),
  badChunks("forgets the line end of a chunk", (stage) => join(halfChunk(stage, stage.bytes), "0\r\n\r\n")),
  badChunks("sends endless trailers", (stage) => join(chunked(stage).subarray(0, -2), "x-trailer: y\r\n".repeat(5_000))),
  badChunks("sends an endless chunk extension", (stage) => join(halfChunk(stage, stage.bytes), `\r\n1;${"x".repeat(50_000)}`)),
];

/** These end by a timeout of the gateway: use them sparingly. */
export const STALLS: readonly Fault[] = [
  stall("says nothing", () => undefined),
  stall("stops in the head", ({ socket, id }) => socket.write(`HTTP/1.1 200 OK\r\n${ID_HEADER}: ${id}\r\ncontent-le`)),
  stall("sends interim answers and no more", ({ socket }) => socket.write("HTTP/1.1 102 Processing\r\n\r\n")),
  stall("sends its head byte by byte", (stage) =>
    drip(stage.socket, `HTTP/1.1 200 OK\r\n${ID_HEADER}: ${stage.id}\r\ncontent-length: 0\r\n\r\n`),
  ),
  stall("stops in a body with length", (stage) => stage.socket.write(withLength(stage, stage.bytes + CUT_OFF)), true),
  stall("stops in a chunk", (stage) => stage.socket.write(halfChunk(stage)), true),
];

const BY_NAME: ReadonlyMap<string, Fault> = new Map([...FAULTS, ...STALLS].map((fault) => [fault.name, fault]));

export function faultNamed(name: string): Fault {
  const fault = BY_NAME.get(name);
  if (fault === undefined) throw new Error(`no such fault: ${name}`);
  return fault;
}

// ── Kinds of faults ──────────────────────────────────────────────────────────────────────────────────────────────

type Bytes = string | Buffer;

function lost(name: string, play: Fault["play"]): Fault {
  return { name, codes: LOST, mayBreak: false, maxBytes: MAX_BYTES, wholeBytes: null, play };
}

function broken(name: string, play: Fault["play"]): Fault {
  return { name, codes: LOST, mayBreak: true, maxBytes: MAX_BYTES, wholeBytes: null, play };
}

/** All in one packet: what comes later could not be told from the answer to the next request. */
function surplus(name: string, wholeBytes: (bytes: number) => number, compose: (stage: Stage) => Bytes): Fault {
  const play = (stage: Stage): void => void stage.socket.write(compose(stage));
  return { name, codes: MALFORMED, mayBreak: true, maxBytes: ONE_PACKET_BYTES, wholeBytes, play };
}

function malformed(name: string, compose: (stage: Stage) => Bytes): Fault {
  return {
    name,
    codes: MALFORMED,
    mayBreak: false,
    maxBytes: ONE_PACKET_BYTES,
    wholeBytes: null,
    play: (stage) => void stage.socket.write(toBuffer(compose(stage))),
  };
}

function badChunks(name: string, compose: (stage: Stage) => Bytes): Fault {
  return { ...malformed(name, compose), mayBreak: true, maxBytes: MAX_BYTES };
}

function stall(name: string, play: (stage: Stage) => unknown, mayBreak = false): Fault {
  return { name, codes: LATE, mayBreak, maxBytes: MAX_BYTES, wholeBytes: null, play: (stage) => void play(stage) };
}

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

function head({ id }: Stage, ...fields: readonly string[]): string {
  return `HTTP/1.1 200 OK\r\n${[`${ID_HEADER}: ${id}`, ...fields].join("\r\n")}\r\n\r\n`;
}

function body({ id, bytes }: Stage): Buffer {
  return contentOf(id, 0, bytes);
}

function withLength(stage: Stage, statedBytes = stage.bytes): Buffer {
  return join(head(stage, `content-length: ${statedBytes}`), body(stage));
}

function chunked(stage: Stage): Buffer {
  return join(halfChunk(stage, stage.bytes), "\r\n0\r\n\r\n");
}

/** A chunk of the whole body, of which so much is sent; by default any part of it. */
function halfChunk(stage: Stage, sentBytes = stage.random.below(stage.bytes)): Buffer {
  return join(head(stage, "transfer-encoding: chunked"), `${stage.bytes.toString(16)}\r\n`, body(stage).subarray(0, sentBytes));
}

function join(...parts: readonly Bytes[]): Buffer {
  return Buffer.concat(parts.map(toBuffer));
}

function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
}

/** Ends the connection a moment after the bytes: a reset at once would overtake them. */
function breakOff({ socket, random }: Stage, bytes: Bytes, isReset: boolean): void {
  socket.write(toBuffer(bytes));
  setTimeout(() => (isReset ? socket.resetAndDestroy() : socket.end()), random.below(20));
}

function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at === text.length) clearInterval(timer);
    else socket.write(text[at++] as string);
  }, 100);
}
