/**
 * The log of the gateway itself (not of requests): JSON lines on stderr, or a readable line when a person watches. Values under
 * names that usually hold secrets are replaced; callers still must not log headers, tokens or configuration.
 */
import { type DestinationStream, destination, type Level, type Logger, pino, stdTimeFunctions } from "pino";

export type ProcessLog = Logger;

export interface ProcessLogOptions {
  /** Default: `info`. */
  readonly level?: Level | "silent";
  /** Default: whether stderr is a terminal. */
  readonly isReadable?: boolean;
  /** Added to every line, e.g. `{ zone: "a" }`. */
  readonly bindings?: Readonly<Record<string, unknown>>;
  /** Default: stderr. */
  readonly write?: (line: string) => void;
}

const SECRET_NAMES = [
  "authorization",
  "proxyAuthorization",
  "cookie",
  "setCookie",
  "token",
  "jwt",
  "password",
  "secret",
  "apiKey",
  "key",
  "keyPem",
  "privateKey",
  "jwks",
] as const;

/** At the top level and one or two levels below. Quoted, because header names contain hyphens. */
const REDACTED_PATHS = [...SECRET_NAMES, "proxy-authorization", "set-cookie", "x-api-key"].flatMap((name) => [
  `["${name}"]`,
  `*["${name}"]`,
  `*.*["${name}"]`,
]);

/** @param role `primary`, `worker-1`…; on every line */
export function createProcessLog(role: string, options: ProcessLogOptions = {}): ProcessLog {
  const { level = "info", isReadable = process.stderr.isTTY === true, bindings = {}, write } = options;
  const target: DestinationStream = write === undefined ? destination({ dest: 2, sync: true }) : { write };
  return pino(
    {
      level,
      base: { role, pid: process.pid, ...bindings },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_PATHS, censor: "[redacted]" },
    },
    isReadable ? { write: (line) => target.write(readableLine(line)) } : target,
  );
}

interface LogEntry {
  readonly [name: string]: unknown;
  readonly time: string;
  readonly level: string;
  readonly msg?: string;
  readonly err?: unknown;
}

const SHOWN_FIRST = new Set(["time", "level", "pid", "msg", "err"]);

/** `12:00:00.000 INFO  message key=value`, and the stack of an error below. */
function readableLine(line: string): string {
  const entry = JSON.parse(line) as LogEntry;
  const fields = Object.entries(entry)
    .filter(([name]) => !SHOWN_FIRST.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? printable(value) : JSON.stringify(value)}`)
    .join("");
  const head = `${entry.time.slice(11, 23)} ${entry.level.toUpperCase().padEnd(5)} ${printable(entry.msg ?? "")}`;
  return `${head}${fields}\n${stackOf(entry.err)}`;
}

function stackOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { stack, message } = error as { stack?: unknown; message?: unknown };
  const text = String(stack ?? message ?? "");
  return text === "" ? "" : `  ${text.split("\n").map(printable).join("\n  ")}\n`;
}

/** A terminal obeys control characters; a log line must not send any. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
