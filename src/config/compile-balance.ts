/** `balance` of a service and `subset` of a backend, from words to numbers. */
import type { BalanceSpec, HashOnSpec, SubsetSpec } from "../engine/model/snapshot.js";
import { parseDuration } from "../engine/model/units.js";
import { type Balance, HASH_PARTS } from "./schema/balance.js";
import type { Route } from "./schema/route.js";

export function compileBalance(balance: Balance): BalanceSpec {
  return {
    algorithm: balance.algorithm,
    hashOn: balance.hashOn === undefined ? null : compileHashOn(balance.hashOn),
    maxLoadPercent: percent(balance.maxLoad ?? "0%"),
    prefersLocalZone: balance.preferLocalZone,
    slowStartMs: milliseconds(balance.slowStart),
    panicThresholdPercent: percent(balance.panicThreshold),
    retryAfter: { on: balance.retryAfter.on, maxMs: milliseconds(balance.retryAfter.max) },
  };
}

/** The checks have seen to it that exactly one part is named. */
function compileHashOn(hashOn: NonNullable<Balance["hashOn"]>): HashOnSpec {
  const type = HASH_PARTS.find((part) => hashOn[part] !== undefined) as HashOnSpec["type"];
  const named = hashOn[type];
  const name = typeof named === "string" ? named : "";
  return { type, name: type === "header" ? name.toLowerCase() : name, fallback: hashOn.fallback };
}

export function compileSubset({ subset, subsetFallback }: Route["backends"][number]): SubsetSpec | null {
  return subset === undefined ? null : { labels: subset, fallback: subsetFallback };
}

function percent(text: string): number {
  return Number(text.slice(0, -1));
}

function milliseconds(text: string): number {
  return parseDuration(text) as number;
}
