/** Which elements of two lists belong together: by what names them, and in the order in which they stayed. */

export interface Alignment {
  /** Positions of what is in both, in ascending order on both sides. */
  readonly kept: readonly (readonly [before: number, after: number])[];
  readonly removed: readonly number[];
  readonly added: readonly number[];
}

export function alignLists(before: readonly unknown[], after: readonly unknown[]): Alignment {
  const positions = new Map(numberedKeys(before).map((key, index) => [key, index]));
  const pairs = numberedKeys(after).flatMap((key, index) => {
    const known = positions.get(key);
    return known === undefined ? [] : [[known, index] as const];
  });
  const stays = longestAscending(pairs.map(([from]) => from));
  const kept = pairs.filter((_, index) => stays.has(index));
  return pairLeftovers(kept, before.length, after.length);
}

/** What was replaced at the same position was changed. */
function pairLeftovers(named: readonly (readonly [number, number])[], beforeLength: number, afterLength: number): Alignment {
  const keptBefore = new Set(named.map(([from]) => from));
  const keptAfter = new Set(named.map(([, to]) => to));
  const removed = indexes(beforeLength).filter((index) => !keptBefore.has(index));
  const added = new Set(indexes(afterLength).filter((index) => !keptAfter.has(index)));
  const replaced = new Set(removed.filter((index) => added.has(index)));
  const kept = [...named, ...[...replaced].map((index) => [index, index] as const)];
  return {
    kept: kept.sort((a, b) => a[1] - b[1]),
    removed: removed.filter((index) => !replaced.has(index)),
    added: [...added].filter((index) => !replaced.has(index)),
  };
}

function indexes(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

/** Equal keys are told apart by their number. */
function numberedKeys(items: readonly unknown[]): string[] {
  const counts = new Map<string, number>();
  return items.map((item) => {
    const key = keyOf(item);
    const number = counts.get(key) ?? 0;
    counts.set(key, number + 1);
    return `${number} ${key}`;
  });
}

/** Members that tell elements of a list apart, wherever they occur. */
const NAMING_MEMBERS = ["name", "service", "address", "cert", "kid", "claim"];

function keyOf(item: unknown): string {
  if (typeof item !== "object" || item === null) return JSON.stringify(item) ?? "";
  const members = Object.entries(item);
  const named = NAMING_MEMBERS.find((member) => Object.hasOwn(item, member));
  if (named !== undefined) return `${named} ${JSON.stringify((item as Record<string, unknown>)[named])}`;
  // A filter is named by its only key, a match by its path.
  if (members.length === 1) return `key ${members[0]?.[0]}`;
  return Object.hasOwn(item, "path") ? `path ${JSON.stringify((item as { path: unknown }).path)}` : "";
}

/** Positions in `values` of a longest ascending run; whatever is not in it was moved. Patience sorting, n log n. */
export function longestAscending(values: readonly number[]): ReadonlySet<number> {
  const ends: number[] = [];
  const previous: number[] = [];
  values.forEach((value, index) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[ends[middle] as number] as number) < value) low = middle + 1;
      else high = middle;
    }
    previous[index] = low > 0 ? (ends[low - 1] as number) : -1;
    ends[low] = index;
  });
  const positions = new Set<number>();
  for (let index = ends.at(-1) ?? -1; index >= 0; index = previous[index] as number) positions.add(index);
  return positions;
}
