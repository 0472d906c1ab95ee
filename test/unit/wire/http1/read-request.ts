/** Feeds the bytes of one connection to the parser, cut as told, and returns what came out in a form that compares with deepEqual. */
import type { Latin1Bytes } from "../../../../src/wire/http1/bytes.js";
import type { IncomingRequest } from "../../../../src/wire/http1/incoming-request.js";
import type { Http1Limits } from "../../../../src/wire/http1/refusal.js";
import type { RequestEvents } from "../../../../src/wire/http1/request-parser.js";
import { RequestParser } from "../../../../src/wire/http1/request-parser.js";

export type RequestReading = IncomingRequest & {
  readonly body: string;
  /** Null also while the request is not complete. */
  readonly trailers: readonly string[] | null;
};

export interface ConnectionReading {
  /** Those whose head was reported; the last one perhaps not complete. */
  readonly requests: readonly RequestReading[];
  readonly completeCount: number;
  /** `idle` between two requests, `incomplete` within one, `closed` after one that no other may follow, or the refusal. */
  readonly outcome: string;
  /** What came after the last request of a closed connection, such as the bytes of a tunnel. */
  readonly rest: string;
}

export interface RequestReadingOptions {
  readonly limits?: Http1Limits;
  /** Lengths of the pieces, used in turn; default: one piece. */
  readonly pieces?: readonly number[];
  /** Asked after each event: true says stop, and feeding goes on from there. */
  readonly stops?: () => boolean;
}

type Noted = { -readonly [Key in keyof RequestReading]: RequestReading[Key] };

class Recorder implements RequestEvents {
  readonly requests: Noted[] = [];
  readonly #stops: () => boolean;

  constructor(stops: () => boolean) {
    this.#stops = stops;
  }

  onHead(request: IncomingRequest): boolean {
    this.requests.push({ ...request, headers: [...request.headers], body: "", trailers: null });
    return !this.#stops();
  }

  onBody(chunk: Uint8Array): boolean {
    const request = this.requests.at(-1) as Noted;
    request.body += Buffer.from(chunk).toString("latin1");
    return !this.#stops();
  }
}

export function readRequests(text: string, options: RequestReadingOptions = {}): ConnectionReading {
  const bytes = Buffer.from(text, "latin1");
  const recorder = new Recorder(options.stops ?? (() => false));
  const parser = new RequestParser(recorder, options.limits);
  const pieces = options.pieces ?? [Math.max(bytes.length, 1)];
  let completeCount = 0;
  let at = 0;
  parser.start();
  for (let i = 0; at < bytes.length; i++) {
    const piece = Math.max(1, pieces[i % pieces.length] as number);
    // A buffer of its own that is wiped afterwards, as the shared read buffer will be.
    const borrowed = Buffer.from(bytes.subarray(at, at + piece));
    let taken = 0;
    while (taken < borrowed.length) {
      taken = parser.feed(borrowed as Buffer & Latin1Bytes, taken, borrowed.length);
      if (parser.refusal !== null) return { requests: recorder.requests, completeCount, outcome: parser.refusal, rest: "" };
      if (!parser.isComplete) continue;
      completeCount++;
      const request = recorder.requests.at(-1) as Noted;
      request.trailers = parser.trailers;
      if (!request.canPersist || request.method === "CONNECT" || request.upgrades.length > 0) {
        return { requests: recorder.requests, completeCount, outcome: "closed", rest: bytes.toString("latin1", at + taken) };
      }
      parser.start();
    }
    at += taken;
    borrowed.fill(0x21);
  }
  return { requests: recorder.requests, completeCount, outcome: parser.hasBegun ? "incomplete" : "idle", rest: "" };
}

/** The reading of a text that holds one complete request and nothing else. */
export function readRequest(text: string, options: RequestReadingOptions = {}): RequestReading {
  const reading = readRequests(text, options);
  if (reading.completeCount !== 1 || reading.requests.length !== 1 || !["idle", "closed"].includes(reading.outcome)) {
    throw new Error(`not one complete request: ${JSON.stringify(reading)}`);
  }
  return reading.requests[0] as RequestReading;
}
