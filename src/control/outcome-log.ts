/** What the process log says of a change of configuration: one line, or one per problem. */
import type { ProcessLog } from "../telemetry/process-log.js";
import type { LastChange, Served } from "./configuration/live-configuration.js";

/** The admin API has all of them. */
const MAX_LOGGED_PROBLEMS = 20;
const MAX_LOGGED_CHANGES = 20;

export function logOutcome(log: ProcessLog, { origin, outcome }: LastChange, served: Served): void {
  const { source: trigger, author } = origin;
  switch (outcome.result) {
    case "applied": {
      const { version, previous, hasRolled, durationMs, changes } = outcome;
      const changed = changes
        .slice(0, MAX_LOGGED_CHANGES)
        .map(({ kind, name, change }) => `${change} ${kind}${name === "" ? "" : `/${name}`}`);
      log.info({ trigger, author, version, previous, hasRolled, durationMs, changed, changes: changes.length }, "configuration applied");
      return;
    }
    case "unchanged":
      log.debug({ trigger, author, version: outcome.version }, "configuration unchanged");
      return;
    case "failed":
      log.error({ trigger, author, serving: served.version }, `configuration not applied: ${outcome.message}`);
      return;
    case "rejected":
      for (const { file, line, column, path, message, hint } of outcome.problems.slice(0, MAX_LOGGED_PROBLEMS))
        log.error({ file, line, column, path, hint }, `configuration: ${message}`);
      log.error(
        { trigger, author, problems: outcome.problems.length, serving: served.version },
        "configuration rejected; the last good one is still served",
      );
  }
}
