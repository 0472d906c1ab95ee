/** Reads a line of the access log as a request that can be asked about again. Lines come from anywhere and may hold anything. */
import { ASSUMED_ADDRESS, type DescribedRequest } from "./described-request.js";

export interface RecordedRequest {
  readonly listener: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** Null: the log does not say. */
  readonly query: string | null;
  /** What was decided then; null: the log does not say. */
  readonly route: string | null;
  readonly error: string;
  readonly subject: string;
  readonly userAgent: string;
}

/** Why a line cannot be asked about; a fixed set, so that they can be counted. */
export type UnreadableLine =
  | "longer than 64 KiB"
  | "not JSON"
  | "not an object"
  | "without listener, method, host or path"
  | "with a host or path that the log has cut off"
  | "with a method, host, path or query that no request has";

/** Would end a line, or a part of one. */
const NOT_IN_REQUEST_LINE = /[\s\x00]/;
const LINE_BREAK = /[\r\n\x00]/;
/** As the log marks what it has cut off. */
const ELLIPSIS = "\u2026";

export function readLogLine(line: string): RecordedRequest | UnreadableLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "not an object";
  const { listener, method, host, path, query, route, error, sub, userAgent } = value as Readonly<Record<string, unknown>>;
  if (!isText(listener) || !isText(method) || !isText(host) || !isText(path)) return "without listener, method, host or path";
  if (path.endsWith(ELLIPSIS) || host.endsWith(ELLIPSIS)) return "with a host or path that the log has cut off";
  if (NOT_IN_REQUEST_LINE.test(method + host + path) || (typeof query === "string" && NOT_IN_REQUEST_LINE.test(query))) {
    return "with a method, host, path or query that no request has";
  }
  return {
    listener,
    method,
    host,
    path,
    query: typeof query === "string" ? query : null,
    route: typeof route === "string" ? route : null,
    error: typeof error === "string" ? error : "",
    subject: typeof sub === "string" ? sub : "",
    userAgent: typeof userAgent === "string" && !LINE_BREAK.test(userAgent) ? userAgent : "",
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** @param headers that it is taken to have had */
export function described(recorded: RecordedRequest, headers: readonly string[], query: string | undefined): DescribedRequest {
  return {
    method: recorded.method,
    scheme: "http",
    authority: recorded.host,
    port: null,
    path: recorded.path,
    query,
    headers: headers as string[],
    token: null,
    claims: null,
    identity: null,
    address: ASSUMED_ADDRESS,
    listener: recorded.listener,
  };
}
