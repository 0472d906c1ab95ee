/** What the attack tests share: an upstream that reads strictly and remembers every byte, and views of a gateway's health. Not a test itself. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway } from "../support/gateway.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";

export interface StrictRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Reads requests as the letter of RFC 9112 has them; anything else becomes `fault` and ends the reading. */
export class StrictReader {
  fault = "";
  /** Bytes of a request that is not complete. */
  rest = "";

  feed(text: string): StrictRequest[] {
    this.rest += text;
    const requests: StrictRequest[] = [];
    while (this.fault === "") {
      const one = this.#next();
      if (one === null) break;
      requests.push(one);
    }
    return requests;
  }

  #next(): StrictRequest | null {
    const end = this.rest.indexOf("\r\n\r\n");
    if (end === -1) return null;
    const [line = "", ...fields] = this.rest.slice(0, end).split("\r\n");
    const match = /^([A-Z-]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(line);
    const headers = new Map<string, string>();
    for (const field of fields) {
      const [, name = "", value = ""] =
        /^([a-z0-9!#$%&'*+.^`|~-]+): ((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)$/.exec(field) ?? [];
      if (name === "" || (headers.has(name) && /^(?:host|content-length|transfer-encoding|via|x-request-id)$/.test(name)))
        return this.#fail(field);
      headers.set(name, value);
    }
    if (match === null || !headers.has("host")) return this.#fail(line);
    const body = this.#body(end + 4, headers);
    return body === null ? null : { method: match[1] as string, target: match[2] as string, headers, body };
  }

  #body(start: number, headers: ReadonlyMap<string, string>): string | null {
    const length = headers.get("content-length");
    const coding = headers.get("transfer-encoding");
    if (coding === undefined) return this.#take(start, start, start + this.#length(length ?? "0"));
    if (coding !== "chunked" || length !== undefined) return this.#fail("framing");
    return this.#chunks(start);
  }

  #length(text: string): number {
    if (!/^(?:0|[1-9][0-9]*)$/.test(text)) this.#fail(`content-length ${text}`);
    return Number(text);
  }

  #chunks(start: number): string | null {
    let body = "";
    for (let at = start; ; ) {
      const lineEnd = this.rest.indexOf("\r\n", at);
      if (lineEnd === -1) return null;
      const size = this.rest.slice(at, lineEnd);
      if (!/^(?:0|[1-9a-f][0-9a-f]*)$/.test(size)) return this.#fail(`chunk size ${size}`);
      const dataEnd = lineEnd + 2 + Number.parseInt(size, 16);
      if (this.rest.length < dataEnd + 2) return null;
      if (this.rest.slice(dataEnd, dataEnd + 2) !== "\r\n") return this.#fail("chunk end");
      if (size === "0") {
        this.rest = this.rest.slice(dataEnd + 2);
        return body;
      }
      body += this.rest.slice(lineEnd + 2, dataEnd);
      at = dataEnd + 2;
    }
  }

  #take(bodyStart: number, from: number, end: number): string | null {
    if (this.rest.length < end) return null;
    const body = this.rest.slice(bodyStart, end);
    this.rest = this.rest.slice(Math.max(from, end));
    return body;
  }

  #fail(what: string): null {
    this.fault = what;
    return null;
  }
}

export interface RecordingUpstream extends Upstream {
  readonly requests: StrictRequest[];
  /** What no request should have looked like; must stay empty. */
  readonly faults: string[];
  /** Connections open now. */
  open(): number;
}

/** Answers every complete request; `answer` returns the bytes, or null to say nothing. */
export async function startRecordingUpstream(
  answer: (request: StrictRequest, socket: Socket) => string | Buffer | null = echo,
): Promise<RecordingUpstream> {
  const requests: StrictRequest[] = [];
  const faults: string[] = [];
  let open = 0;
  const upstream = await startRawUpstream((socket) => {
    const reader = new StrictReader();
    open++;
    socket.on("close", () => open--);
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => {
      for (const request of reader.feed(chunk.toString("latin1"))) {
        requests.push(request);
        const bytes = answer(request, socket);
        if (bytes !== null) socket.write(bytes);
      }
      if (reader.fault !== "" && faults.length < 20) faults.push(`${reader.fault}: ${JSON.stringify(reader.rest.slice(0, 300))}`);
    });
  });
  return { ...upstream, requests, faults, open: () => open };
}

export function echo(request: StrictRequest): string {
  const body = `${request.headers.get("x-id") ?? ""} ${request.target} ${sha(request.body)}`;
  return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

export function sha(bytes: string | Uint8Array): string {
  return createHash("sha256")
    .update(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes)
    .digest("hex");
}

/** Highest resident memory so far, in MiB. */
export function peakMiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
}

export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
}

/** CPU time of a process, in hundredths of a second. */
export function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** The sum of a metric over all its label values that contain `label`. */
export async function metric(gateway: Gateway, name: string, label = ""): Promise<number> {
  const { text } = await fetchOnce(`${gateway.admin.url}/metrics`);
  const rows = text.split("\n").filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label));
  return rows.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** No exchange is under way any more. A paused upload is looked at every four seconds. */
export async function untilIdle(gateway: Gateway, timeoutMs = 20_000): Promise<void> {
  await eventually(async () => (await metric(gateway, "http_server_active_requests")) === 0, "no active exchanges", timeoutMs);
}

/** A small deterministic generator (mulberry32), so that a failing run can be repeated. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Runs `work` for every item, at most `width` at a time. */
export async function inParallel<T>(items: readonly T[], width: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as T, i);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
