/** The admin API's questions and orders about the configuration, answered by the parts that know. */
import type { ConfigStatusView, ConfigurationViews, DiffResult, DiskView } from "../../admin/views.js";
import type { ApplyOutcome, ConfigText } from "../../engine/model/configuration.js";
import type { Snapshot } from "../../engine/model/snapshot.js";
import type { VersionStore } from "../version-store.js";
import type { GuardedApplies } from "./guarded-apply.js";
import type { LiveConfiguration } from "./live-configuration.js";
import type { ConfigLoader } from "./loader.js";

/** Views of others, passed on as they are. */
export type RestOfViews = Pick<ConfigurationViews, "explain" | "explainToken" | "upgrade">;

export interface ConfigurationViewsParts {
  readonly live: LiveConfiguration;
  readonly guarded: GuardedApplies;
  readonly loader: ConfigLoader;
  readonly history: VersionStore;
  /** Absolute. */
  readonly path: string;
  needsRoll(before: Snapshot, after: Snapshot): boolean;
  readonly rest: RestOfViews;
}

export function createConfigurationViews(parts: ConfigurationViewsParts): ConfigurationViews {
  const { live, guarded, history, rest } = parts;
  return {
    ...rest,
    configStatus: () => status(parts),
    reload: (author) => live.reload({ source: "admin", author, note: "" }),
    async apply({ texts, note, author, guard, isDryRun }) {
      const origin = { source: "admin", author, note } as const;
      if (isDryRun) return await dryRun(parts, texts);
      return guard === null ? await live.apply(texts, origin) : await guarded.apply(texts, origin, guard);
    },
    async rollback({ version, note, author }) {
      const found = history.find(version);
      if (!found.isFound) return { result: "notFound", message: found.message };
      return await live.apply(found.version.texts, { source: "rollback", author, note });
    },
    versions: async () => history.list(),
    async version(id) {
      const found = history.find(id);
      return found.isFound ? found.version : null;
    },
    diff: (a, b) => diff(parts, a, b),
    guard: () => guarded.view,
    async check(texts) {
      const planned = await live.plan(texts);
      if (planned.result === "planned") return { result: "good", version: planned.snapshot.version, warnings: planned.loaded.warnings };
      return { result: "rejected", problems: planned.result === "rejected" ? planned.problems : [problemOf(planned.message)] };
    },
  };
}

async function dryRun({ live, needsRoll }: ConfigurationViewsParts, texts: readonly ConfigText[]) {
  const before = live.served.snapshot;
  const planned = await live.plan(texts);
  if (planned.result !== "planned") return planned;
  const { snapshot, changes, loaded } = planned;
  const { version } = snapshot;
  if (version === before.version) return { result: "unchanged", version, warnings: loaded.warnings } as const;
  const roll = needsRoll(before, snapshot);
  return {
    result: "planned",
    version,
    previous: before.version,
    needsRoll: roll,
    changes: await changes,
    warnings: loaded.warnings,
  } as const;
}

async function status(parts: ConfigurationViewsParts): Promise<ConfigStatusView> {
  const { live, path } = parts;
  const { version, sequence, acceptedAt, source, author, note } = live.served;
  const last = live.last;
  return {
    version,
    sequence,
    since: acceptedAt,
    source,
    author,
    note,
    path,
    disk: await diskState(live),
    lastReload: last === null ? null : { at: last.at, trigger: last.origin.source, author: last.origin.author, outcome: last.outcome },
  };
}

async function diskState(live: LiveConfiguration): Promise<DiskView> {
  const disk = await live.readDisk();
  if (disk.result === "failed") return { state: "broken", reason: disk.message, problems: [] };
  if (disk.result === "rejected") return { state: "broken", reason: `it has ${disk.problems.length} problems`, problems: disk.problems };
  const { version } = disk.snapshot;
  if (version === live.served.version) return { state: "same" };
  return { state: "differs", version, reason: differenceReason(live) };
}

/** Files that change are served at once: what differs was put into service by other means, or could not be put into service. */
function differenceReason({ served, last }: LiveConfiguration): string {
  const by = served.author === "" ? "" : ` by ${served.author}`;
  if (last?.outcome.result === "failed") return `it could not be put into service: ${last.outcome.message}`;
  switch (served.source) {
    case "rollback":
      return `version ${served.version} was rolled back to${by}`;
    case "guard":
      return "a guarded apply went back to the version before";
    case "admin":
      return `version ${served.version} was applied${by}`;
    default:
      return `version ${served.version} comes from the history`;
  }
}

async function diff({ history, loader, live }: ConfigurationViewsParts, a: string, b: string): Promise<DiffResult> {
  const [from, to] = [history.find(a), history.find(b)];
  if (!from.isFound) return { result: "notFound", message: from.message };
  if (!to.isFound) return { result: "notFound", message: to.message };
  const source = (texts: readonly ConfigText[]) => ({ type: "texts", folder: live.folder, texts }) as const;
  const base = { version: from.version.version, source: source(from.version.texts) };
  const loaded = await loader.load(source(to.version.texts), base);
  if (!loaded.ok) return { result: "notFound", message: `version ${to.version.version} does not compile any more` };
  return { result: "compared", from: from.version.version, to: to.version.version, changes: await loaded.changes };
}

function problemOf(message: string): Extract<ApplyOutcome, { readonly result: "rejected" }>["problems"][number] {
  return { file: "", line: 0, column: 0, path: "", message, severity: "error" };
}
