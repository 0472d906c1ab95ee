/**
 * Fetches a JWK set over HTTP(S): one bounded request, no redirects, certificates verified. Throws with a message fit
 * for logs; the caller decides what a failure means.
 */
import { askHttp, parseJson } from "../discovery/http/ask-http.js";

export interface JwksSource {
  readonly uri: string;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** PEM of the trusted roots; empty: the system's. */
  readonly caPem: string;
}

export interface JwksDownload {
  /** The parsed document, not yet checked. */
  readonly document: unknown;
  /** From Cache-Control; null when it says nothing about age, 0 for `no-store` and `no-cache`. */
  readonly maxAgeMs: number | null;
}

const MAX_BYTES = 1024 * 1024;

export async function downloadJwks({ uri, timeoutMs, caPem }: JwksSource, stop: AbortSignal): Promise<JwksDownload> {
  const headers = { accept: "application/jwk-set+json, application/json" };
  const tls = { caPem, certPem: "", keyPem: "", serverName: "", isVerified: true };
  const question = { url: uri, tls, method: "GET", headers, body: "", timeoutMs, maxBytes: MAX_BYTES } as const;
  const answer = await askHttp(question, stop);
  if (answer.status !== 200) throw new Error(`answered with status ${answer.status}`);
  return { document: parseJson(answer.text), maxAgeMs: maxAgeOf(answer.headers["cache-control"]) };
}

function maxAgeOf(cacheControl: string | undefined): number | null {
  if (cacheControl === undefined) return null;
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(cacheControl)) return 0;
  const seconds = /(?:^|,)\s*max-age\s*=\s*"?([0-9]{1,9})/i.exec(cacheControl)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}
