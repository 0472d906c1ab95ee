/** What node:http would not send: requests in odd pieces, several at once, malformed ones, connections left half way. */
import { connectRaw, hasResponses, parseResponses, type RawSocket } from "../../test/support/raw-socket.js";
import { contentOf } from "./content.js";
import { EVIL_ID, encodeOrder, ID_HEADER, UPLOAD_HEADER, uploadName } from "./order.js";
import type { Random } from "./random.js";

export interface RawTarget {
  readonly port: number;
  readonly isTls: boolean;
  readonly id: string;
  readonly random: Random;
}

export interface RawKind {
  readonly name: string;
  readonly weight: number;
  /** Why the outcome is wrong; "" when it is right. Rejects when a deadline passes. */
  run(target: RawTarget): Promise<string>;
}

/** uWebSockets.js gives idle connections up after 10 to 14 s. */
const CLOSE_MS = 25_000;
const ANSWER_MS = 30_000;
const MAX_BYTES = 20_000;
const EVIL = `/steady/${EVIL_ID}`;
const HOST = "Host: soak.test\r\n";
const SMUGGLED = `GET ${EVIL}-smuggled HTTP/1.1\r\n${HOST}\r\n`;

/** None may be answered with success, nor reach a service. */
const MALFORMED: readonly string[] = [
  `POST ${EVIL} HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST ${EVIL} HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 50\r\n\r\nabc${SMUGGLED}`,
  `POST ${EVIL} HTTP/1.1\r\n${HOST}Content-Length: +3\r\n\r\nabc`,
  `POST ${EVIL} HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST ${EVIL} HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\n${SMUGGLED}`,
  `GET ${EVIL} HTTP/1.1\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}${HOST}\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}X-A : 1\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}X-A: 1\r\n 2\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}X-A: a\0b\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}X_A: 1\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\n${HOST}\n`,
  `GET ${EVIL}%2F.. HTTP/1.1\r\n${HOST}\r\n`,
  `GET ${EVIL} HTTP/1.0\r\n\r\n`,
  `get ${EVIL} HTTP/1.1\r\n${HOST}\r\n`,
  `CONNECT ${EVIL} HTTP/1.1\r\n${HOST}\r\n`,
  `GET http://soak.test${EVIL} HTTP/1.1\r\n${HOST}\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}X-Large: ${"x".repeat(20_000)}\r\n\r\n`,
  `GET ${EVIL} HTTP/1.1\r\n${HOST}${Array.from({ length: 200 }, (_, i) => `X-${i}: 1\r\n`).join("")}\r\n`,
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "\r\n\r\n\r\n\0\0\0",
];

export const RAW_KINDS: readonly RawKind[] = [
  { name: "raw: in odd pieces", weight: 4, run: (target) => withSocket(target, inOddPieces) },
  { name: "raw: several at once", weight: 3, run: (target) => withSocket(target, severalAtOnce) },
  { name: "raw: malformed", weight: 3, run: (target) => withSocket(target, malformed) },
  { name: "raw: half a head", weight: 2, run: (target) => withSocket(target, halfAHead) },
  { name: "raw: silent after an early answer", weight: 1, run: (target) => withSocket(target, silentAfterEarlyAnswer) },
  { name: "raw: half closed", weight: 1, run: (target) => withSocket(target, halfClosed) },
  { name: "raw: half a handshake", weight: 1, run: (target) => withSocket({ ...target, isTls: false }, halfAHandshake) },
];

async function withSocket(target: RawTarget, run: (raw: RawSocket, target: RawTarget) => Promise<string>): Promise<string> {
  const raw = await connectRaw(target.isTls ? { port: target.port, tls: {} } : { port: target.port });
  try {
    return await run(raw, target);
  } finally {
    raw.destroy();
  }
}

/** A GET and an upload on one connection, both cut at random places. */
async function inOddPieces(raw: RawSocket, { id, random }: RawTarget): Promise<string> {
  const first = answerSize(random);
  await raw.sendSplit(get(`${id}a`, first), cuts(random, 120));
  await raw.until((text) => hasResponses(text, 1), ANSWER_MS);
  const upload = random.below(3_000);
  await raw.sendSplit(chunkedPost(`${id}b`, upload, random), cuts(random, upload));
  const text = await raw.until((received) => hasResponses(received, 2), ANSWER_MS);
  return checkAnswers(text, [bodyOf(`${id}a`, first), contentOf(uploadName(`${id}b`), 0, upload).toString("latin1")], [`${id}a`, `${id}b`]);
}

/** The gateway answers those it likes, in order, and closes. */
async function severalAtOnce(raw: RawSocket, { id, random }: RawTarget): Promise<string> {
  const ids = Array.from({ length: random.between(2, 4) }, (_, i) => `${id}${"abcd"[i]}`);
  const sizes = ids.map(() => answerSize(random));
  raw.send(ids.map((one, i) => get(one, sizes[i] as number)).join(""));
  const text = await raw.untilClosed(CLOSE_MS);
  return checkAnswers(
    text,
    sizes.map((size, i) => bodyOf(ids[i] as string, size)),
    ids,
  );
}

async function malformed(raw: RawSocket, { random }: RawTarget): Promise<string> {
  const bytes = random.pick(MALFORMED);
  raw.send(Buffer.from(bytes, "latin1"));
  const text = await raw.untilClosed(CLOSE_MS);
  const isRefused = text === "" || /^HTTP\/1\.1 [45]/.test(text);
  return isRefused && text.split("HTTP/1.1 ").length <= 2
    ? ""
    : `${JSON.stringify(bytes.slice(0, 80))} was answered ${JSON.stringify(text.slice(0, 200))}`;
}

async function halfAHead(raw: RawSocket, { id, random }: RawTarget): Promise<string> {
  const head = get(id, 10);
  raw.send(head.slice(0, random.below(head.length - 2)));
  await new Promise((resolve) => setTimeout(resolve, random.below(300)));
  return raw.text() === "" ? "" : `half a head was answered ${JSON.stringify(raw.text().slice(0, 200))}`;
}

/** The upload goes on behind the answer, and then nothing more comes: the gateway must not wait for ever. */
async function silentAfterEarlyAnswer(raw: RawSocket, { id, random }: RawTarget): Promise<string> {
  const bytes = random.between(1, 5_000);
  raw.send(`POST /nowhere/${id} HTTP/1.1\r\n${HOST}Content-Length: ${bytes}\r\n\r\n`);
  await raw.until((text) => hasResponses(text, 1), ANSWER_MS);
  raw.send(contentOf(uploadName(id), 0, bytes));
  const [answer, ...more] = parseResponses(await raw.untilClosed(CLOSE_MS));
  return answer?.status === 404 && more.length === 0 ? "" : `answered ${answer?.status}, and ${more.length} more`;
}

/** uWebSockets.js takes that for a client that is gone. */
async function halfClosed(raw: RawSocket, { id, random }: RawTarget): Promise<string> {
  const size = answerSize(random);
  raw.send(get(id, size));
  raw.socket.end();
  const text = await raw.untilClosed(CLOSE_MS);
  return checkAnswers(text, [bodyOf(id, size)], [id]);
}

/** On a plain port these are bytes that make no request. */
async function halfAHandshake(raw: RawSocket, { random }: RawTarget): Promise<string> {
  raw.send(Buffer.from("\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03".slice(0, random.between(0, 11)), "latin1"));
  await new Promise((resolve) => setTimeout(resolve, random.below(300)));
  return "";
}

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

function answerSize(random: Random): number {
  return random.below(MAX_BYTES);
}

function get(id: string, bytes: number): string {
  return `GET /steady/${id}?${encodeOrder({ bytes })} HTTP/1.1\r\n${HOST}${ID_HEADER}: ${id}\r\n\r\n`;
}

function chunkedPost(id: string, bytes: number, random: Random): string {
  const head = `POST /steady/${id}?${encodeOrder({ echo: "whole" })} HTTP/1.1\r\n${HOST}${ID_HEADER}: ${id}\r\n${UPLOAD_HEADER}: ${bytes}\r\n`;
  let text = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  for (let at = 0; at < bytes; ) {
    const end = Math.min(bytes, at + random.between(1, 700));
    text += `${(end - at).toString(16)}\r\n${contentOf(uploadName(id), at, end).toString("latin1")}\r\n`;
    at = end;
  }
  return `${text}0\r\n\r\n`;
}

function bodyOf(id: string, bytes: number): string {
  return contentOf(id, 0, bytes).toString("latin1");
}

function cuts(random: Random, length: number): number[] {
  return Array.from({ length: 4 }, () => random.below(Math.max(1, length))).sort((a, b) => a - b);
}

/** What was answered must be the beginning of what was asked. */
function checkAnswers(text: string, bodies: readonly string[], ids: readonly string[]): string {
  const answers = parseResponses(text);
  if (answers.length > bodies.length) return "more answers than requests";
  for (const [i, { status, headers, body }] of answers.entries()) {
    if (status !== 200) return `answer ${i} has status ${status}: ${body.slice(0, 200)}`;
    if (headers.get(ID_HEADER) !== ids[i]) return `answer ${i} is the one to ${headers.get(ID_HEADER)}`;
    if (body !== bodies[i]) return `answer ${i} has a wrong body of ${body.length} bytes`;
  }
  return "";
}
