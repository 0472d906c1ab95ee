/**
 * What is said to etcd's JSON gateway and what it says, as pure functions. Keys and values travel as base64, 64-bit numbers as text,
 * and a field that is zero is left out. Whatever is not understood is refused as a whole.
 */
import { type Fields, fieldsOf } from "../instance-facts.js";

/** `[start, end)` of keys in base64: also how keys are named everywhere here. */
export interface KeyRange {
  readonly key: string;
  readonly range_end: string;
}

export function rangeOfPrefix(prefix: string): KeyRange {
  const start = Buffer.from(prefix, "utf8");
  // No byte of UTF-8 is 255, so the last one can grow.
  const end = Buffer.from(start);
  end[end.length - 1] = (end[end.length - 1] as number) + 1;
  return { key: start.toString("base64"), range_end: end.toString("base64") };
}

/** The same range after this key. */
export function rangeAfter({ range_end }: KeyRange, key: string): KeyRange {
  return { key: Buffer.concat([Buffer.from(key, "base64"), Buffer.from([0])]).toString("base64"), range_end };
}

export function keyText(key: string): string {
  return Buffer.from(key, "base64").toString("utf8");
}

export interface StoredValue {
  readonly key: string;
  readonly value: string;
  readonly revision: bigint;
}

/** Who says so, and as of when. */
export interface AnswerHeader {
  readonly clusterId: string;
  readonly revision: bigint;
}

export interface RangeAnswer extends AnswerHeader {
  readonly values: readonly StoredValue[];
  /** Of all keys of the range, whatever the limit. */
  readonly count: number;
  readonly hasMore: boolean;
}

export function readRange(answer: unknown): RangeAnswer {
  const fields = fieldsOf(answer);
  const { kvs = [] } = fields ?? {};
  if (fields === null || !Array.isArray(kvs)) throw new Error(NOT_UNDERSTOOD);
  return {
    ...readHeader(fields["header"]),
    values: (kvs as readonly unknown[]).map(readStored),
    count: Number(readInteger(fields["count"])),
    hasMore: fields["more"] === true,
  };
}

/** The token of an answer to a login. */
export function readToken(answer: unknown): string {
  const token = fieldsOf(answer)?.["token"];
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,8192}$/.test(token)) throw new Error("answered the login without a token");
  return token;
}

export type Change = { readonly type: "put"; readonly stored: StoredValue } | { readonly type: "delete"; readonly key: string };

export type WatchMessage =
  | { readonly type: "changes"; readonly clusterId: string; readonly revision: bigint; readonly changes: readonly Change[] }
  /** Its revision is gone. */
  | { readonly type: "compacted" }
  | { readonly type: "canceled" }
  | { readonly type: "failed"; readonly code: number };

export function readWatchMessage(line: unknown): WatchMessage {
  const fields = fieldsOf(line);
  const error = fieldsOf(fields?.["error"]);
  if (error !== null) return { type: "failed", code: codeOf(error) };
  const result = fieldsOf(fields?.["result"]);
  if (result === null) throw new Error(NOT_UNDERSTOOD);
  if (readInteger(result["compact_revision"]) > 0n) return { type: "compacted" };
  if (result["canceled"] === true) return { type: "canceled" };
  const { events = [] } = result;
  if (!Array.isArray(events)) throw new Error(NOT_UNDERSTOOD);
  return { type: "changes", ...readHeader(result["header"]), changes: (events as readonly unknown[]).map(readChange) };
}

/** The code of gRPC in a refusal; 0: it says none. */
export function readRefusal(body: string): number {
  try {
    return codeOf(fieldsOf(JSON.parse(body)) ?? {});
  } catch {
    return 0;
  }
}

const NOT_UNDERSTOOD = "answered with something that is not understood";

function codeOf({ code, grpc_code: grpcCode }: Fields): number {
  const told = grpcCode ?? code;
  return Number.isInteger(told) ? (told as number) : 0;
}

function readHeader(header: unknown): AnswerHeader {
  const fields = fieldsOf(header);
  const clusterId = fields?.["cluster_id"];
  if (fields === null || typeof clusterId !== "string") throw new Error(NOT_UNDERSTOOD);
  return { clusterId, revision: readInteger(fields["revision"]) };
}

function readChange(event: unknown): Change {
  const fields = fieldsOf(event);
  if (fields === null) throw new Error(NOT_UNDERSTOOD);
  const { type = "PUT", kv } = fields;
  const stored = readStored(kv);
  if (type === "PUT" || type === 0) return { type: "put", stored };
  if (type !== "DELETE" && type !== 1) throw new Error(NOT_UNDERSTOOD);
  return { type: "delete", key: stored.key };
}

function readStored(stored: unknown): StoredValue {
  const fields = fieldsOf(stored);
  const { key, value = "" } = fields ?? {};
  if (fields === null || typeof key !== "string" || key === "" || typeof value !== "string") throw new Error(NOT_UNDERSTOOD);
  return { key, value, revision: readInteger(fields["mod_revision"]) };
}

function readInteger(value: unknown): bigint {
  if (value === undefined) return 0n;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) throw new Error(NOT_UNDERSTOOD);
  return BigInt(value);
}
