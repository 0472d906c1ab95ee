/** A process of its own that attacks until its parent ends it, at the lowest priority, and reports twice a second. */
import { setPriority } from "node:os";
import { ATTACKS, type AttackCounts, type AttackTarget } from "./attacks.js";

export interface AttackSetting {
  /** Of the attack. */
  readonly name: string;
  readonly target: AttackTarget;
  readonly size: number;
}

export interface AttackReport extends AttackCounts {
  readonly type: "attack";
  readonly isUp: boolean;
}

const REPORT_MS = 500;

const { name, target, size } = JSON.parse(process.argv[2] ?? "{}") as AttackSetting;
setPriority(19);
const attack = ATTACKS.find((one) => one.name === name)?.start(target, size);
if (attack === undefined) throw new Error(`there is no attack "${name}"`);
setInterval(() => process.send?.({ type: "attack", ...attack.counts, isUp: attack.isUp() } satisfies AttackReport), REPORT_MS);
process.once("disconnect", () => process.exit(0));
