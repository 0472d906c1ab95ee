/** How a source shows Nacos who it is: nothing, a token from the document, or one from a login, renewed before it is over. */
import type { NacosSourceSpec } from "../../engine/model/endpoint-source.js";
import { askHttp, parseJson } from "../http/ask-http.js";
import { loginUrl } from "./paths.js";

const MAX_BYTES = 64 * 1024;
/** Its own clients do so with a tenth of the time left. */
const USED_SHARE = 0.9;
const MIN_TTL_SECONDS = 5;
const MAX_TTL_SECONDS = 86_400;

export class NacosAccess {
  readonly #spec: NacosSourceSpec;
  #token: string;
  /** Of `performance.now()`. */
  #renewAt = Number.POSITIVE_INFINITY;

  constructor(spec: NacosSourceSpec) {
    this.#spec = spec;
    this.#token = spec.accessToken;
  }

  /** Header fields of a question: servers before 2.0 know the first, later ones both. */
  headers(): Record<string, string> {
    return this.#token === "" ? {} : { authorization: `Bearer ${this.#token}`, accesstoken: this.#token };
  }

  /** Logs in when that is due. Resolves to true when it did just now. */
  async prepare(url: string, stop: AbortSignal): Promise<boolean> {
    if (this.#spec.username === "" || (this.#token !== "" && performance.now() < this.#renewAt)) return false;
    const { token, ttlSeconds } = await this.#login(url, stop);
    this.#token = token;
    this.#renewAt = performance.now() + ttlSeconds * 1_000 * USED_SHARE;
    return true;
  }

  /** False when there is no way to get another token. */
  forget(): boolean {
    if (this.#spec.username === "") return false;
    this.#token = "";
    return true;
  }

  async #login(url: string, stop: AbortSignal): Promise<Login> {
    const { api, username, password, tls, timeoutMs } = this.#spec;
    const answer = await askHttp(
      {
        url: loginUrl(url, api),
        tls,
        method: "POST",
        headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ username, password }).toString(),
        timeoutMs,
        maxBytes: MAX_BYTES,
      },
      stop,
    );
    if (answer.status === 401 || answer.status === 403) throw new Error(`refuses username or password (${answer.status})`);
    if (answer.status !== 200) throw new Error(`answered the login with ${answer.status}`);
    return readLogin(parseJson(answer.text));
  }
}

interface Login {
  readonly token: string;
  readonly ttlSeconds: number;
}

/** Printable ASCII: what goes into a header field. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

export function readLogin(answer: unknown): Login {
  const { accessToken, tokenTtl } = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  if (typeof accessToken !== "string" || !TOKEN.test(accessToken)) throw new Error("answered the login without a token");
  const ttlSeconds = typeof tokenTtl === "number" && Number.isFinite(tokenTtl) ? tokenTtl : 0;
  return { token: accessToken, ttlSeconds: Math.min(Math.max(ttlSeconds, MIN_TTL_SECONDS), MAX_TTL_SECONDS) };
}
