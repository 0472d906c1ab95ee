/**
 * One question to one DNS server: over UDP, and over TCP when the answer did not fit. Every question has a socket (and so a
 * random port) and a random id of its own, and takes answers from that server and to that question only (RFC 5452).
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { MAX_TIMER_MS } from "../../engine/model/units.js";
import { type DnsResponse, decodeResponse, encodeQuery, type RecordType, TYPE_CODES } from "./message.js";

export interface DnsServer {
  /** IP address. */
  readonly host: string;
  readonly port: number;
}

export interface Question {
  readonly name: string;
  readonly type: RecordType;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

/** Rejects with one line when there is no answer in time. */
export async function askServer(server: DnsServer, question: Question): Promise<DnsResponse> {
  const id = randomInt(0x1_0000);
  const query = encodeQuery(id, question.name, question.type);
  const response = await askByUdp(server, question, { id, query });
  return response.isTruncated ? askByTcp(server, question, { id, query }) : response;
}

interface Query {
  readonly id: number;
  readonly query: Buffer;
}

/** What resolves or rejects first counts; whatever was opened is closed then. */
function once<T>({ timeoutMs, stop }: Question, run: (done: (result: T | Error) => void) => () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => done(new Error("given up"));
    const done = (result: T | Error): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", aborted);
      close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const timer = setTimeout(() => done(new Error(`no answer within ${timeoutMs} ms`)), Math.min(timeoutMs, MAX_TIMER_MS));
    stop.addEventListener("abort", aborted);
    const close = run(done);
    if (stop.aborted) aborted();
  });
}

function askByUdp({ host, port }: DnsServer, question: Question, { id, query }: Query): Promise<DnsResponse> {
  return once(question, (done) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    let isClosed = false;
    socket.on("error", (error) => done(error));
    socket.on("message", (message) => {
      const response = matching(message, id, question);
      if (response !== null) done(response);
    });
    // Connected: the kernel drops what others send, and tells when nobody listens there.
    socket.connect(port, host, () => {
      if (isClosed) return;
      socket.send(query, (error) => {
        if (error !== null) done(error);
      });
    });
    return () => {
      if (isClosed) return;
      isClosed = true;
      socket.close();
    };
  });
}

/** Null: not the answer to this question; it may be still to come. */
function matching(message: Buffer, id: number, { name, type }: Question): DnsResponse | null {
  try {
    const response = decodeResponse(message);
    const isOurs = response.id === id && response.question.type === TYPE_CODES[type] && response.question.name === name;
    return isOurs ? response : null;
  } catch {
    return null;
  }
}

/** Length and message (RFC 1035 §4.2.2). */
function askByTcp({ host, port }: DnsServer, question: Question, { id, query }: Query): Promise<DnsResponse> {
  return once(question, (done) => {
    const socket = connect(port, host);
    let received = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.on("error", (error) => done(error));
    socket.on("close", () => done(new Error("the server closed the connection")));
    socket.on("connect", () => socket.write(Buffer.concat([length, query])));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const response = matching(received.subarray(2, 2 + received.readUInt16BE(0)), id, question);
      done(response === null || response.isTruncated ? new Error("the server's answer is not one") : response);
    });
    return () => socket.destroy();
  });
}
