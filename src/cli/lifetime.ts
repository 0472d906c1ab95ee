/** Durations as the configuration writes them (`250ms` is too short for a token), with a sign for expired tokens. */
const UNIT_SECONDS = { h: 3600, m: 60, s: 1 } as const;

/** `1h30m` → 5400, `-1m` → -60, anything else → null. */
export function parseLifetimeSeconds(text: string): number | null {
  const match = /^(-?)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$/.exec(text);
  if (match === null || text === "" || text === "-") return null;
  const [, sign, hours, minutes, seconds] = match;
  const total = Number(hours ?? 0) * UNIT_SECONDS.h + Number(minutes ?? 0) * UNIT_SECONDS.m + Number(seconds ?? 0);
  return sign === "-" ? -total : total;
}
