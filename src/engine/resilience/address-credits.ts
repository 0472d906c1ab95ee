/**
 * Connections per client address, over several workers: who may let in how many more. Nobody sees a single connection
 * close, so nobody can count down. Instead a worker spends credits, one for each connection of an address that it lets
 * in, and now and then all of them are counted and credits dealt out anew. At any time, for every address, what is
 * open and the credits of all workers together are at most the limit; a worker that knows nothing of an address has
 * its share of credits. How a round keeps that up:
 *
 * 1. Every worker says what credits it holds (`yieldCredits`), and begins to note what it spends from here on. Of an
 *    address that is near the limit it gives up half, so that they get to where they are needed.
 * 2. After that, open connections are counted. Spent in between means counted or not: both are on the safe side.
 * 3. `dealCredits` hands out what the limit leaves beyond the open connections and the credits held, or lets workers
 *    forget an address of which few are open: they are back to their share, less what they spent since 1.
 */
import type { AddressPlan } from "../model/address-limit.js";

/** Address and credits. */
export type AddressCredits = readonly [address: string, credits: number];

interface Entry {
  credits: number;
  /** Credits after the last round; half of it gone means that it is time for the next. */
  dealt: number;
  spentSinceYield: number;
  isNearLimit: boolean;
}

/** A worker's table for one listener; a state that its functions change in place. Addresses not in it have `share` credits. */
export interface AddressTable {
  readonly share: number;
  readonly entries: Map<string, Entry>;
  /** Another round is needed. */
  isLow: boolean;
}

/** Beyond this many addresses since the last round another one is needed, which lets most be forgotten. */
const MANY_ENTRIES = 4_096;
/** Should no round come, addresses beyond these are refused: a flood of them must not fill the memory. */
const MAX_ENTRIES = 65_536;

/** @param nearLimit addresses of which this worker, a late one, may not let in any */
export function createAddressTable(share: number, nearLimit: readonly string[]): AddressTable {
  const entries = nearLimit.map((address): [string, Entry] => [address, { ...newEntry(0), isNearLimit: true }]);
  return { share, entries: new Map(entries), isLow: false };
}

/** Spends a credit. False: the address has none. */
export function spendCredit(table: AddressTable, address: string): boolean {
  const entry = table.entries.get(address) ?? addEntry(table, address);
  if (entry === null || entry.credits === 0) {
    table.isLow = true;
    return false;
  }
  entry.credits--;
  entry.spentSinceYield++;
  if (entry.credits * 2 <= entry.dealt || table.entries.size >= MANY_ENTRIES) table.isLow = true;
  return true;
}

/** What the worker holds from here on. */
export function yieldCredits(table: AddressTable): AddressCredits[] {
  table.isLow = false;
  return Array.from(table.entries, ([address, entry]) => {
    entry.spentSinceYield = 0;
    if (entry.isNearLimit) entry.credits = Math.floor(entry.credits / 2);
    return [address, entry.credits];
  });
}

/** @param dealt all addresses that are near the limit; the others are forgotten */
export function takeCredits(table: AddressTable, dealt: readonly AddressCredits[]): void {
  const nearLimit = new Map(dealt);
  for (const [address, entry] of table.entries) if (!nearLimit.has(address)) forget(table, address, entry);
  for (const [address, credits] of nearLimit) {
    const entry = table.entries.get(address) ?? newEntry(table.share);
    table.entries.set(address, entry);
    entry.credits += credits;
    entry.dealt = entry.credits;
    entry.isNearLimit = true;
  }
}

/**
 * @param held per worker what it yielded; null for one that does not take part, which is left its share
 * @param open connections by address, counted after all had yielded
 * @returns per worker what it gets; nothing for those that do not take part
 */
export function dealCredits(
  plan: AddressPlan,
  held: readonly (readonly AddressCredits[] | null)[],
  open: ReadonlyMap<string, number>,
): AddressCredits[][] {
  const tables = held.map((credits) => (credits === null ? null : new Map(credits)));
  const dealt: AddressCredits[][] = held.map(() => []);
  for (const address of addressesOf(plan, tables, open)) {
    const openCount = open.get(address) ?? 0;
    const holds = tables.map((table) => table?.get(address) ?? plan.share);
    if (mayBeForgotten(plan, openCount, holds)) continue;
    const spare = Math.max(0, plan.limit - openCount - sum(holds));
    divide(spare, holds, tables).forEach((credits, worker) => {
      if (tables[worker] !== null) dealt[worker]?.push([address, credits]);
    });
  }
  return dealt;
}

function addressesOf(
  plan: AddressPlan,
  tables: readonly (ReadonlyMap<string, number> | null)[],
  open: ReadonlyMap<string, number>,
): Set<string> {
  const addresses = new Set<string>();
  for (const table of tables) for (const address of table?.keys() ?? []) addresses.add(address);
  for (const [address, count] of open) if (count > plan.quietAt) addresses.add(address);
  return addresses;
}

/** Everybody may go back to the full share. What is held may be spent by the time they hear of it. */
function mayBeForgotten(plan: AddressPlan, openCount: number, holds: readonly number[]): boolean {
  return openCount + sum(holds.map((credits) => Math.max(credits, plan.share))) <= plan.limit;
}

/** All of it to those that hold least, in equal parts: the others still have something to spend. */
function divide(spare: number, holds: readonly number[], tables: readonly (unknown | null)[]): number[] {
  const present = holds.filter((_, worker) => tables[worker] !== null);
  const least = Math.min(...present);
  const takers = present.filter((credits) => credits === least).length;
  let rank = 0;
  return holds.map((credits, worker) => {
    if (tables[worker] === null || credits !== least) return 0;
    return Math.floor(spare / takers) + (rank++ < spare % takers ? 1 : 0);
  });
}

function addEntry(table: AddressTable, address: string): Entry | null {
  if (table.entries.size >= MAX_ENTRIES) return null;
  const entry = newEntry(table.share);
  table.entries.set(address, entry);
  return entry;
}

function newEntry(credits: number): Entry {
  return { credits, dealt: credits, spentSinceYield: 0, isNearLimit: false };
}

function forget(table: AddressTable, address: string, entry: Entry): void {
  if (entry.spentSinceYield === 0) {
    table.entries.delete(address);
    return;
  }
  entry.credits = Math.max(0, table.share - entry.spentSinceYield);
  entry.dealt = table.share;
  entry.isNearLimit = false;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
