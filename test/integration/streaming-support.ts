/** Bodies that can be checked by hash, and clients and services that are slow on purpose. Not a test itself. */
import { createHash, type Hash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Gateway } from "../support/gateway.js";
import { peakMiB } from "./attack-support.js";

export const MIB = 1024 * 1024;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const patterns = new Map<number, Buffer>();

function patternOf(bytes: number): Buffer {
  const known = patterns.get(bytes);
  if (known !== undefined) return known;
  const pattern = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) pattern[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  patterns.set(bytes, pattern);
  return pattern;
}

/** Each piece names its seed and its place: pieces that were lost, doubled, swapped or another's change the hash. */
export function* pieces(seed: number, bytes: number, pieceBytes = 256 * 1024): Generator<Buffer> {
  for (let at = 0; at < bytes; at += pieceBytes) {
    const piece = Buffer.from(patternOf(pieceBytes).subarray(0, Math.min(pieceBytes, bytes - at)));
    piece.writeUInt32LE(seed, 4);
    piece.writeUInt32LE(at / pieceBytes, 8);
    yield piece;
  }
}

export function hashOf(body: Iterable<Buffer>): string {
  const hash = createHash("sha256");
  for (const piece of body) hash.update(piece);
  return hash.digest("hex");
}

/** Adds what passes to `hash`. */
export function* hashed(body: Iterable<Buffer>, hash: Hash): Generator<Buffer> {
  for (const piece of body) {
    hash.update(piece);
    yield piece;
  }
}

/** A pause after every so many bytes. */
export interface Stops {
  readonly everyBytes: number;
  readonly ms: number;
}

/** Reads to the end; rejects when the source breaks off. */
export async function readHash(source: Readable, stops: Stops | null = null): Promise<{ hash: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    hash.update(chunk);
    const before = bytes;
    bytes += chunk.length;
    if (stops !== null && Math.floor(before / stops.everyBytes) !== Math.floor(bytes / stops.everyBytes)) await pause(stops.ms);
  }
  return { hash: hash.digest("hex"), bytes };
}

export async function* slowly(body: Iterable<Buffer>, ms: number): AsyncGenerator<Buffer> {
  for (const piece of body) {
    yield piece;
    await pause(ms);
  }
}

export interface Upload {
  readonly listener: string;
  readonly path: string;
  /** -1: chunked. */
  readonly bytes: number;
  readonly body: Iterable<Buffer> | AsyncIterable<Buffer>;
  readonly ca?: string;
}

/** Resolves with the response's head, while the upload may still go on: `sent` ends with it. */
export async function exchange(gateway: Gateway, upload: Upload): Promise<{ response: IncomingMessage; sent: Promise<void> }> {
  const { listener, path, bytes, body, ca } = upload;
  const headers: OutgoingHttpHeaders = bytes < 0 ? { "transfer-encoding": "chunked" } : { "content-length": bytes };
  const address = { host: "127.0.0.1", port: gateway.port(listener), path, agent: false, headers, method: bytes === 0 ? "GET" : "PUT" };
  const request = ca === undefined ? httpRequest(address) : httpsRequest({ ...address, ca });
  const answered = new Promise<IncomingMessage>((resolve, reject) => request.on("response", resolve).on("error", reject));
  const sent = pipeline(Readable.from(body), request);
  // Whoever looks at the response sees the failure; `sent` may be looked at later.
  sent.catch(() => {});
  return { response: await answered, sent };
}

/** Starts a new peak: what `peakMiB` says from now on belongs to what follows. */
export function resetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  return peakMiB(pid);
}
