/** The messages of ZooKeeper's client protocol that reading takes, pure. Known to servers since 3.4. */
import { JuteReader, JuteWriter, MalformedMessage } from "./jute.js";

export interface ConnectRequest {
  /** A server that is behind it refuses: what was seen is never unseen. */
  readonly lastSeen: bigint;
  readonly sessionTimeoutMs: number;
}

const PASSWORD_BYTES = 16;

/** For a session of its own. */
export function connectRequest({ lastSeen, sessionTimeoutMs }: ConnectRequest): Buffer {
  const newSession = 0n;
  return new JuteWriter()
    .int(0)
    .long(lastSeen)
    .int(sessionTimeoutMs)
    .long(newSession)
    .buffer(Buffer.alloc(PASSWORD_BYTES))
    .boolean(false)
    .frame();
}

/** The timeout that the server grants. */
export function readConnectResponse(frame: Buffer): number {
  const reader = new JuteReader(frame);
  reader.int();
  const sessionTimeoutMs = reader.int();
  reader.long();
  reader.buffer();
  if (sessionTimeoutMs <= 0) throw new Error("grants no session");
  return sessionTimeoutMs;
}

const PING_XID = -2;
const AUTH_XID = -4;
const EVENT_XID = -1;

export const OPCODE = { exists: 3, getData: 4, getChildren: 8, ping: 11, auth: 100, close: -11 } as const;

export function request(xid: number, opcode: number): JuteWriter {
  return new JuteWriter().int(xid).int(opcode);
}

export function pingRequest(): Buffer {
  return request(PING_XID, OPCODE.ping).frame();
}

export function closeRequest(xid: number): Buffer {
  return request(xid, OPCODE.close).frame();
}

export function authRequest(username: string, password: string): Buffer {
  return request(AUTH_XID, OPCODE.auth).int(0).text("digest").text(`${username}:${password}`).frame();
}

/** Of exists, getData and getChildren: the next change of what was read is told. */
export function watchingRequest(xid: number, opcode: number, path: string): Buffer {
  return request(xid, opcode).text(path).boolean(true).frame();
}

export type EventType = "created" | "deleted" | "dataChanged" | "childrenChanged" | "other";

export type ServerMessage =
  | { readonly type: "event"; readonly event: EventType; readonly path: string }
  | { readonly type: "pong" }
  | { readonly type: "authenticated"; readonly error: number }
  /** `body` is that of the request's kind; nothing when there is an error. */
  | { readonly type: "reply"; readonly xid: number; readonly lastSeen: bigint; readonly error: number; readonly body: JuteReader };

export function readServerMessage(frame: Buffer): ServerMessage {
  const reader = new JuteReader(frame);
  const xid = reader.int();
  const lastSeen = reader.long();
  const error = reader.int();
  if (xid === EVENT_XID) return readEvent(reader);
  if (xid === PING_XID) return { type: "pong" };
  if (xid === AUTH_XID) return { type: "authenticated", error };
  if (xid < 0) throw new MalformedMessage();
  return { type: "reply", xid, lastSeen, error, body: reader };
}

const EVENTS: Readonly<Record<number, EventType>> = { 1: "created", 2: "deleted", 3: "dataChanged", 4: "childrenChanged" };

function readEvent(reader: JuteReader): ServerMessage {
  const event = EVENTS[reader.int()] ?? "other";
  reader.int();
  return { type: "event", event, path: reader.text() };
}

export interface NodeData {
  readonly text: string;
  /** Of its last change. */
  readonly writtenAt: bigint;
}

export function readNodeData(body: JuteReader): NodeData {
  const text = body.text();
  body.skip(8);
  return { text, writtenAt: body.long() };
}

export const NO_NODE = -101;
export const NO_AUTH = -102;
const AUTH_FAILED = -115;

export function meaningOf(error: number): string {
  if (error === NO_NODE) return "has no such node";
  if (error === NO_AUTH) return "does not let this user read it";
  if (error === AUTH_FAILED) return "refuses user and password";
  return `answered with error ${error}`;
}
