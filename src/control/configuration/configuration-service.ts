/**
 * Everything about the configuration while the gateway runs: watches the files, carries out changes, remembers versions, guards
 * applies, and answers the admin API about them.
 */
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ConfigurationViews } from "../../admin/views.js";
import { folderOf, readTexts } from "../../config/index.js";
import type { ConfigText, ConfigVersion, StoredVersion } from "../../engine/model/configuration.js";
import type { Snapshot } from "../../engine/model/snapshot.js";
import type { ProcessLog } from "../../telemetry/process-log.js";
import type { VersionStore } from "../version-store.js";
import { createConfigurationViews, type RestOfViews } from "./configuration-views.js";
import { type FileWatch, watchFiles } from "./file-watch.js";
import type { RouteTotals } from "./guard.js";
import type { GuardFile, GuardRecord } from "./guard-file.js";
import { backwards, createGuardedApplies, type GuardedApplies } from "./guarded-apply.js";
import {
  type ChangeOrigin,
  createLiveConfiguration,
  type LastChange,
  type LiveConfiguration,
  type PutOutcome,
  type Served,
} from "./live-configuration.js";
import { createConfigLoader } from "./loader.js";

/** What the gateway starts with. */
export interface FirstConfiguration {
  /** Of the configuration, as given: a file or a folder. */
  readonly path: string;
  readonly snapshot: Snapshot;
  /** As operators may see it. */
  readonly redactedDocument: unknown;
  readonly texts: readonly ConfigText[];
  readonly files: readonly string[];
  /** `boot`: from disk. Otherwise from the history. */
  readonly origin: ChangeOrigin;
}

export interface ConfigurationParts {
  readonly first: FirstConfiguration;
  /** Another process serves the same until `takeOver`, and may accept more. */
  readonly isTakingOver: boolean;
  readonly history: VersionStore;
  readonly guardFile: GuardFile;
  putIntoService(next: Snapshot, previous: Snapshot): Promise<PutOutcome>;
  /** Whether workers would have to be replaced. */
  needsRoll(before: Snapshot, after: Snapshot): boolean;
  /** Asks the workers. */
  totals(): Promise<RouteTotals>;
  lastTotals(): RouteTotals;
  /** After every attempt to change something. */
  onOutcome(last: LastChange, served: Served): void;
  readonly views: RestOfViews;
  readonly log: ProcessLog;
}

export interface ConfigurationService {
  readonly served: Served;
  readonly views: ConfigurationViews;
  reload(origin: ChangeOrigin): void;
  /** The process before has let go: what it has accepted while this one was starting is served. */
  takeOver(): Promise<void>;
  /** Another process takes over: changes are its matter from now on. Resolves when none is under way. */
  suspend(): Promise<void>;
  /** It did not come to that. */
  resume(): void;
  stop(): void;
}

export function createConfigurationService(parts: ConfigurationParts): ConfigurationService {
  return new Service(parts);
}

const LARGE_CHARS = 256 * 1024;

class Service implements ConfigurationService {
  readonly views: ConfigurationViews;
  readonly #parts: ConfigurationParts;
  readonly #path: string;
  readonly #live: LiveConfiguration;
  readonly #guarded: GuardedApplies;
  readonly #loader = createConfigLoader();
  /** The document itself, and what it points to: only the former says that something else is wanted. */
  #documentWatch: FileWatch | null = null;
  #materialWatch: FileWatch | null = null;

  constructor(parts: ConfigurationParts) {
    this.#parts = parts;
    const { first, log } = parts;
    this.#path = resolve(first.path);
    this.#live = createLiveConfiguration(this.#path, folderOf(this.#path), served(this.#path, parts), {
      loader: this.#loader,
      putIntoService: (next, previous) => parts.putIntoService(next, previous),
      record: (version) => recordUnlessLatest(version, parts.history),
      onLoad: (files) => this.#watchMaterials([...this.served.files, ...files]),
      onChange: (last, now, files) => this.#changed(last, now, files),
    });
    this.#guarded = createGuardedApplies({
      live: this.#live,
      totals: parts.totals,
      lastTotals: parts.lastTotals,
      log: (message, facts) => log.warn(facts, message),
      remember: (record) => this.#rememberGuard(record),
    });
    if (!parts.isTakingOver) this.#rememberGuard(null);
    this.#startWatching();
    this.#warmUp();
    this.views = createConfigurationViews({
      live: this.#live,
      guarded: this.#guarded,
      loader: this.#loader,
      history: parts.history,
      path: this.#path,
      needsRoll: parts.needsRoll,
      rest: parts.views,
    });
  }

  get served(): Served {
    return this.#live.served;
  }

  reload(origin: ChangeOrigin): void {
    void this.#live.reload(origin);
  }

  async takeOver(): Promise<void> {
    const { history } = this.#parts;
    // The history of another gateway says nothing about ours.
    const last = history.reopen() ? history.lastGood() : null;
    if (last !== null && last.version !== this.served.version) {
      const { source, author, note } = last;
      await this.#live.apply(last.texts, { source, author, note });
    }
    if (last !== null) await this.#inheritGuard();
  }

  /** Only for whoever has the directory. */
  #rememberGuard(record: GuardRecord | null): void {
    const { history, guardFile } = this.#parts;
    if (history.reopen()) guardFile.write(record);
  }

  async #inheritGuard(): Promise<void> {
    const { guardFile, history, log } = this.#parts;
    const record = guardFile.read();
    if (record === null || record.version !== this.served.version) return guardFile.write(null);
    const found = history.find(`#${record.previousSequence}`);
    const planned = found.isFound ? await this.#live.plan(found.version.texts) : null;
    if (!found.isFound || planned?.result !== "planned") {
      log.error({ version: record.version }, "nobody watches the guarded configuration any more: the version before cannot be served");
      return guardFile.write(null);
    }
    const { loaded, snapshot } = planned;
    const { texts, files, redactedDocument } = loaded;
    const loadSource = { type: "texts", folder: this.#live.folder, texts } as const;
    const before = { ...found.version, snapshot, texts, files, redactedDocument, loadSource };
    this.#guarded.inherit({ record, before, changes: (await planned.changes).map(backwards) });
    log.info({ version: record.version }, "goes on watching the guarded configuration");
  }

  async suspend(): Promise<void> {
    this.#stopWatching();
    this.#guarded.suspend();
    await this.#live.suspend();
  }

  resume(): void {
    this.#live.resume();
    this.#guarded.resume();
    this.#startWatching();
  }

  stop(): void {
    this.#stopWatching();
    this.#guarded.stop();
    this.#loader.stop();
  }

  /** Large documents take seconds the first time, and a fraction of that when most of them is known. */
  #warmUp(): void {
    const { texts } = this.served;
    const chars = texts.reduce((sum, { text }) => sum + text.length, 0);
    if (chars >= LARGE_CHARS) this.#loader.warmUp({ type: "texts", folder: this.#live.folder, texts });
  }

  #startWatching(): void {
    const author = "";
    this.#documentWatch = watchFiles({ onChange: () => this.reload({ source: "file", author, note: "" }) });
    this.#materialWatch = watchFiles({
      onChange: () => void this.#live.refresh({ source: "file", author, note: "a file that the configuration points to has changed" }),
    });
    void this.#documentWatch.follow([this.#path]).then(() => this.#catchUp());
    this.#watchMaterials(this.served.files);
  }

  #stopWatching(): void {
    this.#documentWatch?.stop();
    this.#materialWatch?.stop();
    this.#documentWatch = null;
    this.#materialWatch = null;
  }

  #changed(last: LastChange, now: Served, files: readonly string[]): void {
    this.#guarded.changed(last);
    this.#parts.onOutcome(last, now);
    this.#watchMaterials([...now.files, ...files]);
  }

  /** What was written while the gateway was starting. */
  #catchUp(): void {
    const { source, texts } = this.served;
    if (this.#documentWatch === null) return;
    if (FROM_DISK.has(source) && !isDeepStrictEqual(readTexts(this.#path), texts)) this.reload({ source: "file", author: "", note: "" });
  }

  #watchMaterials(files: readonly string[]): void {
    const isDocument = (file: string): boolean => /\.ya?ml$/.test(file) && (file === this.#path || file.startsWith(`${this.#path}/`));
    void this.#materialWatch?.follow(files.filter((file) => !isDocument(file)));
  }
}

/** What was served when a process took over may have come by any way. */
const FROM_DISK: ReadonlySet<string> = new Set(["boot", "file", "signal"]);

function served(path: string, { first: { origin, ...first }, history, isTakingOver }: ConfigurationParts): Served {
  const { snapshot, texts } = first;
  const version = { version: snapshot.version, acceptedAt: new Date().toISOString(), path, ...origin };
  const known = isTakingOver ? history.list().find((one) => one.version === version.version) : undefined;
  const { sequence } = known ?? recordUnlessLatest({ ...version, texts }, history);
  const loadSource = FROM_DISK.has(origin.source)
    ? ({ type: "path", path } as const)
    : ({ type: "texts", folder: folderOf(path), texts } as const);
  return { ...version, ...first, path, sequence, loadSource };
}

/** A restart with what was served before is no new version, nor is what is taken over from another process. */
function recordUnlessLatest(version: Omit<StoredVersion, "sequence">, history: VersionStore): ConfigVersion {
  const [latest] = history.list();
  return latest?.version === version.version ? latest : history.record(version);
}
