/**
 * One exchange as one line of JSON, fields in a fixed order (see README.md), built by hand: JSON.stringify costs several
 * times as much. What comes back is kept (remembered-text.ts). Everything outside printable ASCII is escaped, so a line is
 * valid JSON whatever a client sent, one byte per character, and bounded: the longest stays below MAX_LINE_BYTES.
 */
import { headerValue } from "../engine/model/request.js";
import type { ExchangeRecord } from "../proxy/ports.js";
import { flat, RememberedText } from "./remembered-text.js";
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
  return (
    `${time(nowMs - durationMs)},"requestId":${quote(record.requestId, MAX_SHORT)},"listener":${names.get(record.listenerName)}` +
    `,"client":${names.get(record.clientAddress)},"method":${names.get(request.method)},"host":${hosts.get(request.host || request.authority)}` +
    `,"path":${quote(request.path, MAX_PATH)}${includesQuery ? `,"query":${quote(request.query ?? "", MAX_LONG)}` : ""}` +
    `${outcomeText(record)}${milliseconds(durationMs)},"upstreamMs":${upstreamMs(record)}` +
    `${record.closeCode === 0 ? "" : `,"closeCode":${record.closeCode}`},"bytesIn":${record.requestBytes},"bytesOut":${record.responseBytes}` +
    `,"sub":${principal === null ? '""' : quote(principal.subject, MAX_NAME)}` +
    `,"userAgent":${agents.get(headerValue(request.headers, "user-agent") ?? "")},"traceId":${quote(record.traceId, MAX_SHORT)}}\n`
  );
}

function upstreamMs({ upstreamHeadAt, attemptStartedAt }: ExchangeRecord): string {
  return upstreamHeadAt > 0 ? milliseconds(upstreamHeadAt - attemptStartedAt) : "null";
}

// ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────────

const names = new RememberedText((value) => quote(value, MAX_SHORT));
const hosts = new RememberedText((value) => quote(value, MAX_NAME));
const agents = new RememberedText((value) => quote(value, MAX_NAME));

/** How an exchange that went well ended, by endpoint: as a rule one text each. */
interface Outcome {
  readonly routeName: string;
  readonly serviceName: string;
  readonly status: number;
  readonly attempts: number;
  readonly text: string;
}

const MAX_OUTCOMES = 1_024;
const outcomes = new Map<string, Outcome>();

/** `,"route":` to `"durationMs":`. */
function outcomeText(record: ExchangeRecord): string {
  const { endpoint, routeName, serviceName, status, attempts } = record;
  if (record.errorCode !== "" || record.flag !== "" || record.errorDetail !== "" || status === 0) return formatOutcome(record);
  const known = outcomes.get(endpoint);
  const isKnown = known?.status === status && known.routeName === routeName && known.serviceName === serviceName;
  if (isKnown && known.attempts === attempts) return known.text;
  const text = flat(formatOutcome(record));
  if (outcomes.size >= MAX_OUTCOMES) outcomes.clear();
  outcomes.set(endpoint, { routeName, serviceName, status, attempts, text });
  return text;
}

function formatOutcome(record: ExchangeRecord): string {
  return (
    `,"route":${quote(record.routeName, MAX_SHORT)},"service":${quote(record.serviceName, MAX_SHORT)}` +
    `,"endpoint":${quote(record.endpoint, MAX_NAME)},"status":${shownStatus(record)},"flag":${quote(record.flag, MAX_SHORT)}` +
    `,"error":${quote(record.errorCode, MAX_SHORT)},"detail":${quote(record.errorDetail, MAX_NAME)}` +
    `,"attempts":${record.attempts},"durationMs":`
  );
}

// ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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

/** `000Z"` to `999Z"`. */
const TIME_ENDS = FRACTIONS.map((fraction) => `${fraction.slice(1)}Z"`);
let cachedSecond = -1;
let cachedStart = "";

/** `{"time":` and ISO 8601 with milliseconds; lines of one second share all but the last digits. */
function time(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedStart = flat(`{"time":"${new Date(second * 1000).toISOString().slice(0, 20)}`);
  }
  return `${cachedStart}${TIME_ENDS[Math.floor(timeMs) - second * 1000]}`;
}
