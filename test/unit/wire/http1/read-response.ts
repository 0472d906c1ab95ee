/** Feeds a response to the parser, cut as told, and returns what came out in a form that compares with deepEqual. */
import type { Latin1Bytes } from "../../../../src/wire/http1/bytes.js";
import type { Http1Limits } from "../../../../src/wire/http1/refusal.js";
import type { ResponseEvents } from "../../../../src/wire/http1/response-parser.js";
import { ResponseParser } from "../../../../src/wire/http1/response-parser.js";

export interface Reading {
  /** `complete`, `incomplete` or the reason of the refusal. */
  outcome: string;
  status: number;
  headers: string[];
  /** Status and headers of each 1xx. */
  interim: (number | string)[][];
  bodyLength: number;
  body: string;
  trailers: string[] | null;
  canPersist: boolean;
  /** What came after the complete response. */
  rest: string;
}

export interface ReadingOptions {
  readonly method?: string;
  /** The connection ends after the last byte. */
  readonly hasEnd?: boolean;
  readonly limits?: Http1Limits;
  /** Lengths of the pieces, used in turn; default: one piece. */
  readonly pieces?: readonly number[];
  /** Asked after each event: true says stop, and feeding goes on from there. */
  readonly stops?: () => boolean;
}

class Recorder implements ResponseEvents {
  status = 0;
  headers: string[] = [];
  readonly interim: (number | string)[][] = [];
  bodyLength = 0;
  body = "";
  readonly #stops: () => boolean;

  constructor(stops: () => boolean) {
    this.#stops = stops;
  }

  onInterim(status: number, headers: string[]): void {
    this.interim.push([status, ...headers]);
  }

  onHead(status: number, headers: string[], bodyLength: number): boolean {
    this.status = status;
    this.headers = [...headers];
    this.bodyLength = bodyLength;
    return !this.#stops();
  }

  onBody(chunk: Uint8Array): boolean {
    this.body += Buffer.from(chunk).toString("latin1");
    return !this.#stops();
  }
}

export function readResponse(text: string, options: ReadingOptions = {}): Reading {
  const bytes = Buffer.from(text, "latin1");
  const recorder = new Recorder(options.stops ?? (() => false));
  const parser = new ResponseParser(recorder, options.limits);
  parser.start(options.method ?? "GET");
  const at = feedPieces(parser, bytes, options.pieces ?? [bytes.length]);
  if (options.hasEnd === true) parser.finish();
  const { status, headers, interim, bodyLength, body } = recorder;
  const outcome = parser.refusal ?? (parser.isComplete ? "complete" : "incomplete");
  const rest = parser.isComplete ? bytes.toString("latin1", at) : "";
  return { outcome, status, headers, interim, bodyLength, body, trailers: parser.trailers, canPersist: parser.canPersist, rest };
}

function feedPieces(parser: ResponseParser, bytes: Buffer, pieces: readonly number[]): number {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const piece = Math.max(1, pieces[i % pieces.length] as number);
    // A buffer of its own that is wiped afterwards, as the shared read buffer will be.
    const borrowed = Buffer.from(bytes.subarray(at, at + piece));
    let taken = 0;
    while (taken < borrowed.length && !parser.isComplete && parser.refusal === null) {
      taken = parser.feed(borrowed as Buffer & Latin1Bytes, taken, borrowed.length);
    }
    at += taken;
    borrowed.fill(0x21);
    if (parser.isComplete || parser.refusal !== null) break;
  }
  return at;
}
