/** One member of etcd, asked over its JSON gateway for as long as a conversation lasts: logs in, and again when its token is over. */
import type { EtcdSourceSpec } from "../../engine/model/endpoint-source.js";
import { askHttp, type HttpAnswer, type HttpQuestion, openHttpStream, parseJson } from "../http/ask-http.js";
import { type KeyRange, type RangeAnswer, readRange, readRefusal, readToken, readWatchMessage, type WatchMessage } from "./messages.js";

/** Of an answer, or a line of the stream of changes, which both may hold a thousand values. */
const MAX_BYTES = 32 * 1024 * 1024;
const PAGE_SIZE = 1_000;

export class EtcdClient {
  readonly #spec: EtcdSourceSpec;
  readonly #url: string;
  readonly #stop: AbortSignal;
  /** "" before the login, and while etcd wants none. */
  #token = "";

  constructor(spec: EtcdSourceSpec, url: string, stop: AbortSignal) {
    this.#spec = spec;
    this.#url = url;
    this.#stop = stop;
  }

  async login(): Promise<void> {
    const { username: name, password } = this.#spec;
    if (name === "") return;
    const answer = await this.#ask("/v3/auth/authenticate", { name, password });
    if (answer.status === 200) {
      this.#token = readToken(parseJson(answer.text));
      return;
    }
    const code = readRefusal(answer.text);
    if (code === INVALID_ARGUMENT || code === UNAUTHENTICATED) throw new Error("refuses username or password");
    // Users exist before authentication is switched on, and after it was switched off.
    if (code !== FAILED_PRECONDITION) throw refusal(answer.status, code);
    this.#token = "";
  }

  /** A page of the range, as of a revision (0: now). A member without a leader does not answer. */
  range(range: KeyRange, revision: bigint): Promise<RangeAnswer> {
    return this.#read({ ...range, limit: PAGE_SIZE, ...(revision === 0n ? {} : { revision: String(revision) }) });
  }

  /** How many there are, now. */
  count(range: KeyRange): Promise<RangeAnswer> {
    return this.#read({ ...range, count_only: true });
  }

  /** All changes from a revision on. `stop` ends it. */
  async watch(range: KeyRange, revision: bigint, stop: AbortSignal): Promise<AsyncIterable<WatchMessage>> {
    const create = { ...range, start_revision: String(revision), progress_notify: true };
    // With it the member ends the stream when it loses its leader.
    const question = this.#question("/v3/watch", { create_request: create }, { "grpc-metadata-hasleader": "true" });
    const { status, lines } = await openHttpStream(question, stop);
    if (status !== 200) throw refusal(status, 0);
    return readMessages(lines);
  }

  async #read(body: object): Promise<RangeAnswer> {
    let answer = await this.#ask("/v3/kv/range", body);
    if (answer.status === 401 && this.#spec.username !== "") {
      await this.login();
      answer = await this.#ask("/v3/kv/range", body);
    }
    if (answer.status !== 200) throw refusal(answer.status, readRefusal(answer.text));
    return readRange(parseJson(answer.text));
  }

  #ask(path: string, body: object): Promise<HttpAnswer> {
    return askHttp(this.#question(path, body, {}), this.#stop);
  }

  #question(path: string, body: object, headers: Readonly<Record<string, string>>): HttpQuestion {
    return {
      url: `${this.#url}${path}`,
      tls: this.#spec.tls,
      method: "POST",
      headers: { "content-type": "application/json", ...headers, ...(this.#token === "" ? {} : { authorization: this.#token }) },
      body: JSON.stringify(body),
      timeoutMs: this.#spec.timeoutMs,
      maxBytes: MAX_BYTES,
      readsRefusals: true,
    };
  }
}

async function* readMessages(lines: AsyncIterable<string>): AsyncGenerator<WatchMessage> {
  for await (const line of lines) yield readWatchMessage(parseJson(line));
}

/** Codes of gRPC. */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** @param status 0: in a stream, which had begun well */
export function refusal(status: number, code: number): Error {
  if (code === PERMISSION_DENIED) return new Error("does not let this user read the prefix");
  if (code === OUT_OF_RANGE) return new Error("has compacted what was to be read");
  if (code === UNAVAILABLE) return new Error("has no leader, or cannot answer in time");
  if (code === UNAUTHENTICATED) return new Error("refuses the token");
  if (code === INVALID_ARGUMENT) return new Error("refuses the question: does it want a username, or have users changed?");
  if (status === 404) return new Error("does not know the API /v3 (404): is it etcd 3.4 or later, and the URL right?");
  return new Error(status === 0 ? `ended the stream of changes (${code})` : `answered ${status}`);
}
