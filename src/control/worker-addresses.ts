/** A worker's side of `maxConnectionsPerAddress`: says who may come in, and takes part in the rounds of the primary. */
import { type AddressTable, createAddressTable, spendCredit, takeCredits, yieldCredits } from "../engine/resilience/address-credits.js";
import { addressKey } from "../filters/rate-limit/key.js";
import type { AddressStart, CreditsByListener, WorkerMessage } from "./protocol.js";

/** A round begins at once or after a pause that depends on how many sockets there are; a question may have come too early. */
const ASK_AGAIN_MS = 5_000;

export interface WorkerAddresses {
  /**
   * Decides about one more connection, and counts it when it may come in. Null for a listener without the limit.
   * @param isExempt addresses that are not counted
   */
  guardOf(listener: string, isExempt: (address: string) => boolean): ((address: string) => boolean) | null;
  yield(id: number): void;
  take(credits: CreditsByListener): void;
}

export function createWorkerAddresses(
  starts: Readonly<Record<string, AddressStart>>,
  send: (message: WorkerMessage) => void,
): WorkerAddresses {
  const tables = new Map(Object.entries(starts).map(([name, { share, nearLimit }]) => [name, createAddressTable(share, nearLimit)]));
  /** When the primary was asked for a round that has not begun. */
  let askedAtMs = Number.NEGATIVE_INFINITY;

  function ask(): void {
    const nowMs = performance.now();
    if (nowMs - askedAtMs < ASK_AGAIN_MS) return;
    askedAtMs = nowMs;
    send({ type: "countAddresses" });
  }

  function mayEnter(table: AddressTable, address: string): boolean {
    const isIn = spendCredit(table, addressKey(address));
    if (table.isLow) ask();
    return isIn;
  }

  return {
    guardOf(listener, isExempt) {
      const table = tables.get(listener);
      return table === undefined ? null : (address) => isExempt(address) || mayEnter(table, address);
    },
    yield(id) {
      askedAtMs = Number.NEGATIVE_INFINITY;
      const credits = Object.fromEntries([...tables].map(([name, table]) => [name, yieldCredits(table)]));
      send({ type: "addressesYielded", id, credits });
    },
    take(credits) {
      for (const [name, table] of tables) takeCredits(table, credits[name] ?? []);
    },
  };
}
