/** Waits until a gateway has decided about a guarded apply, and shows how it goes meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import type { GuardView } from "../admin/views.js";
import type { AdminClient } from "./admin-client.js";
import { type Got, readAnswer } from "./admin-command.js";
import { fail } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { guardedRoutesText, guardText } from "./guard-text.js";
import type { DoneOrder } from "./outcome-text.js";
import { createProgress, type Progress, painter, writeJson } from "./terminal.js";

export interface WatchedApply {
  readonly done: DoneOrder;
  readonly durationMs: number;
  readonly isJson: boolean;
}

type Decided = Extract<GuardView, { readonly state: "kept" | "rolledBack" | "superseded" }>;

const POLL_MS = 500;
/** Going back may have to replace workers. */
const DECISION_GRACE_MS = 600_000;
/** A gateway that is busy or changes hands may be silent for a while. */
const MAX_SILENCE_MS = 15_000;

/** @returns the exit code */
export async function followGuard(client: AdminClient, apply: WatchedApply): Promise<number> {
  const seconds = Math.ceil(apply.durationMs / 1000);
  const progress = createProgress({ label: "watching (Ctrl-C leaves the guard alone)", total: seconds });
  const decided = await awaitDecision(client, apply, progress);
  progress.end();
  if (!decided.ok) return decided.code;
  if (apply.isJson) writeJson({ ...apply.done, guard: decided.value });
  else {
    const paint = painter(process.stdout);
    process.stdout.write(`${guardedRoutesText(decided.value, paint)}${guardText(decided.value, paint)}\n`);
  }
  return decided.value.state === "kept" ? EXIT.ok : EXIT.failure;
}

async function awaitDecision(client: AdminClient, { done, durationMs, isJson }: WatchedApply, progress: Progress): Promise<Got<Decided>> {
  const startedMs = performance.now();
  let heardMs = startedMs;
  while (performance.now() - startedMs < durationMs + DECISION_GRACE_MS) {
    const answer = await client.get("/v1/guard");
    const isSilent = !answer.ok && answer.status === 0 && performance.now() - heardMs < MAX_SILENCE_MS;
    if (!isSilent) {
      const guard = readAnswer<GuardView>(answer, { state: "string" }, { command: "apply", isJson });
      if (!guard.ok) return guard;
      heardMs = performance.now();
      if (guard.value.state === "idle" || guard.value.version !== done.version) return { ok: false, code: fail("apply", FORGOTTEN) };
      if (guard.value.state !== "watching") return { ok: true, value: guard.value };
    }
    progress.update(Math.floor((performance.now() - startedMs) / 1000));
    await sleep(POLL_MS);
  }
  return { ok: false, code: fail("apply", "the gateway has not decided in time; windrose status shows what it serves") };
}

const FORGOTTEN = "the gateway does not watch this apply any more: it was started anew, or something else was applied; see windrose status";
