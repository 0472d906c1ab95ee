/**
 * One exchange as one line of JSON, fields in a fixed order (see README.md), built by hand: JSON.stringify costs several
 * times as much. Everything outside printable ASCII is escaped, so a line is valid JSON whatever a client sent, one byte per
 * character, and bounded: the longest possible line stays below MAX_LINE_BYTES.
 */
import { headerValue } from "../engine/model/request.js";
import type { ExchangeRecord } from "../proxy/ports.js";
import { shownStatus } from "./request-cells.js";

/** PIPE_BUF on Linux: longer writes to a pipe may be interleaved with those of other workers. */
export const MAX_LINE_BYTES = 4096;

/** Characters after escaping, per field; together with the keys they stay below MAX_LINE_BYTES. */
const MAX_PATH = 1024;
const MAX_LONG = 512;
const MAX_NAME = 256;
const MAX_SHORT = 96;
const PLAIN = /^[ !#-[\]-~]*$/;
const ELLIPSIS = "\\u2026";

/** @param nowMs Unix time of completion; the line shows when the exchange began. */
export function formatAccessLogLine(record: ExchangeRecord, nowMs: number, includesQuery: boolean): string {
  const { request, principal } = record;
  const durationMs = Math.max(0, record.completedAt - record.startedAt);
  const upstreamMs = record.upstreamHeadAt > 0 ? milliseconds(record.upstreamHeadAt - record.attemptStartedAt) : "null";
  return (
    `{"time":"${isoTime(nowMs - durationMs)}","requestId":${quote(record.requestId, MAX_SHORT)}` +
    `,"listener":${quote(record.listenerName, MAX_SHORT)},"client":${quote(record.clientAddress, MAX_SHORT)}` +
    `,"method":${quote(request.method, MAX_SHORT)},"host":${quote(request.host || request.authority, MAX_NAME)}` +
    `,"path":${quote(request.path, MAX_PATH)}${includesQuery ? `,"query":${quote(request.query ?? "", MAX_LONG)}` : ""}` +
    `,"route":${quote(record.routeName, MAX_SHORT)},"service":${quote(record.serviceName, MAX_SHORT)}` +
    `,"endpoint":${quote(record.endpoint, MAX_NAME)},"status":${shownStatus(record)},"flag":${quote(record.flag, MAX_SHORT)}` +
    `,"error":${quote(record.errorCode, MAX_SHORT)},"detail":${quote(record.errorDetail, MAX_NAME)}` +
    `,"attempts":${record.attempts},"durationMs":${milliseconds(durationMs)},"upstreamMs":${upstreamMs}` +
    `${record.closeCode === 0 ? "" : `,"closeCode":${record.closeCode}`},"bytesIn":${record.requestBytes},"bytesOut":${record.responseBytes}` +
    `,"sub":${principal === null ? '""' : quote(principal.subject, MAX_NAME)}` +
    `,"userAgent":${quote(headerValue(request.headers, "user-agent") ?? "", MAX_NAME)},"traceId":${quote(record.traceId, MAX_SHORT)}}\n`
  );
}

/** A JSON string of at most `maxChars` characters between the quotes; what was cut shows as `…`. */
export function quote(value: string, maxChars: number): string {
  return value.length <= maxChars && PLAIN.test(value) ? `"${value}"` : `"${escapeText(value, maxChars - ELLIPSIS.length)}"`;
}

function escapeText(value: string, maxChars: number): string {
  let text = "";
  for (const char of value) {
    const escaped = escapeChar(char);
    if (text.length + escaped.length > maxChars) return text + ELLIPSIS;
    text += escaped;
  }
  return text;
}

function escapeChar(char: string): string {
  if (char === '"' || char === "\\") return `\\${char}`;
  if (PLAIN.test(char)) return char;
  if (char.length === 2) return unicodeEscape(char.charCodeAt(0)) + unicodeEscape(char.charCodeAt(1));
  const code = char.charCodeAt(0);
  return unicodeEscape(code >= 0xd800 && code <= 0xdfff ? 0xfffd : code);
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

/** `.000` to `.999`: printing whole numbers is several times cheaper than printing fractions. */
const FRACTIONS = Array.from({ length: 1000 }, (_, i) => `.${String(i).padStart(3, "0")}`);

function milliseconds(value: number): string {
  const microseconds = Math.round(Math.max(0, value) * 1000);
  const fraction = microseconds % 1000;
  return `${(microseconds - fraction) / 1000}${FRACTIONS[fraction]}`;
}

let cachedSecond = -1;
let cachedPrefix = "";

/** ISO 8601 with milliseconds; lines of one second share all but the last digits. */
function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return `${cachedPrefix}${String(Math.floor(timeMs) - second * 1000).padStart(3, "0")}Z`;
}
