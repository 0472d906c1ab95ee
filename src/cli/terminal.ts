/**
 * Everything about how commands look: colour, tables, numbers, progress. The only file that writes escape sequences, so
 * that data never can: all text that goes through here loses its control characters.
 */
import { printable } from "../config/index.js";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";

const CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is asked of a stream; `process.stdout` and `process.stderr` are such. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** One line's worth of text in one style; styles do not nest. */
export type Paint = (style: Style, text: string) => string;

/** https://no-color.org and https://force-color.org; NO_COLOR wins. An empty variable is none. */
export function isColoured(output: Output, env: Environment = process.env): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"] ?? "";
  if (forced !== "") return forced !== "0" && forced !== "false";
  return output.isTTY === true && env["TERM"] !== "dumb";
}

/** Each stream has its own: one may be a terminal while the other is a file. */
export function painter(output: Output, env: Environment = process.env): Paint {
  if (!isColoured(output, env)) return (_style, text) => printable(text);
  return (style, text) => {
    const [on, off] = CODES[style];
    return `\u001b[${on}m${printable(text)}\u001b[${off}m`;
  };
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface TableOptions {
  readonly paint: Paint;
  /** Columns that are aligned to the right, from 0. */
  readonly right?: readonly number[];
  /** Before every line. */
  readonly indent?: string;
}

/** Rows in columns two blanks apart, one line each with its newline; a row of headings is a row like others. */
export function formatTable(rows: readonly (readonly (string | Cell)[])[], { paint, right = [], indent = "" }: TableOptions): string {
  const cells = rows.map((row) => row.map((cell): Cell => (typeof cell === "string" ? { text: cell } : cell)));
  const widths: number[] = [];
  for (const row of cells) row.forEach(({ text }, column) => (widths[column] = Math.max(widths[column] ?? 0, displayWidth(text))));
  const lines = cells.map((row) => {
    const columns = row.map(({ text, style }, column) => {
      const shown = style === undefined ? printable(text) : paint(style, text);
      const padding = " ".repeat((widths[column] ?? 0) - displayWidth(text));
      if (right.includes(column)) return padding + shown;
      return column === row.length - 1 ? shown : shown + padding;
    });
    return `${indent}${columns.join("  ")}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Columns on a terminal: none for what combines, two for East Asian wide characters and emoji. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of printable(text)) {
    if (/\p{Mn}|\p{Me}|\u200b|\u200d|\ufe0f/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}

/** `1 route`, `12,345 routes`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `1234567` → `1,234,567`, whatever the locale: output is compared and parsed. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 0…1 → `2.1%`; what is not nothing never looks like nothing, what is not all never like all. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.0005) return "<0.1%";
  if (share < 1 && share > 0.9995) return ">99.9%";
  return `${(share * 100).toFixed(1).replace(/\.0$/, "")}%`;
}

const ELAPSED_UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** For reading, not for parsing back: `740ms`, `1.2s`, `3m 5s`, `2d 4h`. */
export function formatElapsed(durationMs: number): string {
  const wholeMs = Math.max(0, Math.round(durationMs));
  if (wholeMs < 1000) return `${wholeMs}ms`;
  if (wholeMs < 9950) return `${(wholeMs / 1000).toFixed(1)}s`;
  const roundedMs = Math.round(wholeMs / 1000) * 1000;
  const at = ELAPSED_UNITS.findIndex(([, unitMs]) => roundedMs >= unitMs);
  const [unit, unitMs] = ELAPSED_UNITS[at] as (typeof ELAPSED_UNITS)[number];
  const next = ELAPSED_UNITS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((roundedMs % unitMs) / next[1]);
  return `${Math.floor(roundedMs / unitMs)}${unit}${rest === 0 ? "" : ` ${rest}${next?.[0]}`}`;
}

export interface Progress {
  /** How much of the total is done; cheap enough to be called for every item. */
  update(done: number): void;
  /** Takes the line away again; what comes next starts in the first column. */
  end(): void;
}

export interface ProgressOptions {
  readonly label: string;
  /** 0: unknown. */
  readonly total: number;
  /** Default: stderr, so that results can be piped on. */
  readonly output?: Output;
  readonly nowMs?: () => number;
}

const REDRAW_MS = 100;
const BAR_COLUMNS = 24;

/** One line that redraws itself, on terminals only: in a file or a pipe it says nothing. */
export function createProgress({ label, total, output = process.stderr, nowMs = () => performance.now() }: ProgressOptions): Progress {
  if (output.isTTY !== true) return { update: () => {}, end: () => {} };
  const startedMs = nowMs();
  let drawnMs = startedMs;
  let hasDrawn = false;
  return {
    update(done) {
      const now = nowMs();
      if (now - drawnMs < REDRAW_MS) return;
      drawnMs = now;
      hasDrawn = true;
      const line = progressLine({ label: printable(label), total, done, elapsedMs: now - startedMs });
      // A line that wraps would leave its first half behind at every redraw.
      output.write(`\r\u001b[2K${line.slice(0, Math.max(1, (output.columns || 80) - 1))}`);
    },
    end() {
      if (hasDrawn) output.write("\r\u001b[2K");
      hasDrawn = false;
    },
  };
}

interface ProgressState {
  readonly label: string;
  readonly total: number;
  readonly done: number;
  readonly elapsedMs: number;
}

function progressLine({ label, total, done, elapsedMs }: ProgressState): string {
  if (total <= 0) return `${label}  ${formatCount(done)}  ${formatElapsed(elapsedMs)}`;
  const share = Math.min(1, Math.max(0, done / total));
  const filled = Math.round(share * BAR_COLUMNS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_COLUMNS - filled);
  const left = share > 0 && share < 1 ? `  ${formatElapsed((elapsedMs * (1 - share)) / share)} left` : "";
  return `${label}  ${bar}  ${Math.floor(share * 100)}%  ${formatCount(done)} of ${formatCount(total)}${left}`;
}

/** For scripts: one document, indented, with a newline at its end; what a terminal would obey is escaped, which JSON allows. */
export function writeJson(data: unknown, output: Output = process.stdout): void {
  const text = JSON.stringify(data, null, 2);
  output.write(`${text.replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escapeCharacter)}\n`);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
