/**
 * Durations and sizes as people write them, turned into numbers and back. Pure text work: who reports a bad value, and
 * where, is the caller's business (null means "not a duration" or "not a size").
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Longer timers of the runtime fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** One duration, as in the Kubernetes Gateway API (GEP-2257): up to four whole numbers with `h`, `m`, `s` or `ms`. */
export const DURATION_PATTERN = /^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/;
/** One size: a whole number with `B`, `KiB`, `MiB` or `GiB`; a bare `0` needs no unit. */
export const SIZE_PATTERN = /^(?:0|[0-9]{1,12}(?:B|KiB|MiB|GiB))$/;

/** `250ms`, `5s`, `1h30m` → milliseconds; null when it is not a duration. */
export function parseDuration(text: string): number | null {
  if (!DURATION_PATTERN.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(h|ms|m|s)/g)) total += Number(amount) * (MS_PER_UNIT[unit as string] as number);
  return total;
}

/** `64KiB`, `1MiB`, `0` → bytes; null when it is not a size or too large to count exactly. */
export function parseSize(text: string): number | null {
  if (!SIZE_PATTERN.test(text)) return null;
  const digits = /^[0-9]+/.exec(text)?.[0] ?? "0";
  const bytes = Number(digits) * (BYTES_PER_UNIT[text.slice(digits.length)] ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Milliseconds → the shortest text that `parseDuration` reads back as the same number. Whole, ≥ 0. */
export function formatDuration(durationMs: number): string {
  let text = "";
  let rest = durationMs;
  for (const [unit, unitMs] of Object.entries(MS_PER_UNIT)) {
    const amount = Math.floor(rest / unitMs);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * unitMs;
  }
  return text === "" ? "0s" : text;
}

/** Bytes → the largest unit that divides them, so that `parseSize` reads the same number back. Whole, ≥ 0. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return "0";
  for (const unit of ["GiB", "MiB", "KiB"]) {
    const unitBytes = BYTES_PER_UNIT[unit] as number;
    if (bytes % unitBytes === 0) return `${bytes / unitBytes}${unit}`;
  }
  return `${bytes}B`;
}
