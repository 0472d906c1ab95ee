/**
 * Fetches a JWK set over HTTP(S): one bounded request, no redirects, certificates verified. Throws with a message fit
 * for logs; the caller decides what a failure means.
 */
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

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

export async function downloadJwks(source: JwksSource, stop: AbortSignal): Promise<JwksDownload> {
  // Not AbortSignal.any and .timeout: Node 20 may collect them as garbage before they fire, and the fetch hangs for good.
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, source.timeoutMs);
  stop.addEventListener("abort", abort);
  if (stop.aborted) abort();
  try {
    const response = await get(source, controller.signal);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`answered with status ${response.statusCode}`);
    }
    const text = await readText(response);
    return { document: parse(text), maxAgeMs: maxAgeOf(response.headers["cache-control"]) };
  } catch (error) {
    if (controller.signal.aborted && !stop.aborted) throw new Error(`no complete answer within ${source.timeoutMs} ms`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", abort);
  }
}

function get(source: JwksSource, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = new URL(source.uri);
    const headers = { accept: "application/jwk-set+json, application/json", "user-agent": "windrose" };
    const request =
      url.protocol === "https:"
        ? requestHttps(url, { agent: false, signal, headers, ...(source.caPem === "" ? {} : { ca: source.caPem }) })
        : requestHttp(url, { agent: false, signal, headers });
    request.on("response", resolve).on("error", reject).end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote the answer.
    throw new Error("answered with something that is not JSON");
  }
}

function maxAgeOf(cacheControl: string | undefined): number | null {
  if (cacheControl === undefined) return null;
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(cacheControl)) return 0;
  const seconds = /(?:^|,)\s*max-age\s*=\s*"?([0-9]{1,9})/i.exec(cacheControl)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}
