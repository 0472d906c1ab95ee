/**
 * What is served, and the only way it changes: load, compare, put into service, remember. One change at a time; a document with
 * problems, or one that cannot be put into service, leaves everything as it was.
 */
import type {
  ApplyOutcome,
  ChangeSource,
  ConfigText,
  ConfigVersion,
  ObjectChange,
  StoredVersion,
} from "../../engine/model/configuration.js";
import type { Snapshot } from "../../engine/model/snapshot.js";
import type { Compared, ConfigLoader } from "./loader.js";
import type { Loaded, LoadSource } from "./loader-messages.js";

export interface Served extends ConfigVersion {
  readonly snapshot: Snapshot;
  /** As operators may see it. */
  readonly redactedDocument: unknown;
  /** As written; may hold secrets. */
  readonly texts: readonly ConfigText[];
  /** Absolute paths of the files it was made of and points to. */
  readonly files: readonly string[];
  /** How to load the same again: from disk, or from the texts when they came from elsewhere. */
  readonly loadSource: LoadSource;
}

/** Why and by whom something is to be served. */
export interface ChangeOrigin {
  readonly source: ChangeSource;
  readonly author: string;
  readonly note: string;
}

export interface LastChange {
  /** ISO 8601. */
  readonly at: string;
  readonly origin: ChangeOrigin;
  readonly outcome: ApplyOutcome;
  /** What was served until then. */
  readonly before: Served;
}

export type PutOutcome = { readonly isServed: true; readonly hasRolled: boolean } | { readonly isServed: false; readonly message: string };

export interface RestoredFrom {
  readonly version: string;
  /** From it to what is restored. */
  readonly changes: readonly ObjectChange[];
}

export interface LiveConfigurationPorts {
  readonly loader: ConfigLoader;
  /** Makes all workers serve `next`, or leaves all as they are. */
  putIntoService(next: Snapshot, previous: Snapshot): Promise<PutOutcome>;
  /** Remembers an accepted version; a disk that fails must not fail the change. */
  record(version: Omit<StoredVersion, "sequence">): ConfigVersion;
  /** Before it is put into service, which may take seconds: what is renewed meanwhile must be noticed. */
  onLoad(files: readonly string[]): void;
  /** After every attempt, successful or not. `files`: what to watch from now on. */
  onChange(last: LastChange, served: Served, files: readonly string[]): void;
}

export interface LiveConfiguration {
  readonly served: Served;
  readonly last: LastChange | null;
  /** Nothing is changed any more, what waits fails. Resolves when no change is under way. */
  suspend(): Promise<void>;
  resume(): void;
  /** From disk. */
  reload(origin: ChangeOrigin): Promise<ApplyOutcome>;
  /** What is served, once more: files that it points to have changed. */
  refresh(origin: ChangeOrigin): Promise<ApplyOutcome>;
  /** Texts as if they lay in the configuration's folder. */
  apply(texts: readonly ConfigText[], origin: ChangeOrigin): Promise<ApplyOutcome>;
  /**
   * What was served before, as it was compiled then: files that have gone meanwhile are no obstacle.
   * Null when `instead.version` is not served any more.
   */
  restore(former: Served, instead: RestoredFrom, origin: ChangeOrigin): Promise<ApplyOutcome | null>;
  /** What `apply` would do. */
  plan(texts: readonly ConfigText[]): Promise<PlanOutcome>;
  /** What lies on disk now. */
  readDisk(): Promise<PlanOutcome>;
  /** Folder that relative paths in texts start in. */
  readonly folder: string;
}

export type PlanOutcome =
  | {
      readonly result: "planned";
      readonly snapshot: Snapshot;
      readonly changes: Promise<readonly ObjectChange[]>;
      readonly loaded: Compared;
    }
  | Extract<ApplyOutcome, { readonly result: "rejected" | "failed" }>;

/**
 * @param path of the configuration, a file or a folder of files
 * @param folder that relative paths in it start in
 */
export function createLiveConfiguration(path: string, folder: string, first: Served, ports: LiveConfigurationPorts): LiveConfiguration {
  return new Live({ path, folder }, first, ports);
}

class Live implements LiveConfiguration {
  served: Served;
  last: LastChange | null = null;
  readonly folder: string;
  readonly #path: string;
  readonly #ports: LiveConfigurationPorts;
  /** The change under way; the next begins when it has ended. */
  #tail: Promise<unknown> = Promise.resolve();
  /** The last in the queue, when it is a reload that has not begun: it will read what another one would. */
  #nextReload: Promise<ApplyOutcome> | null = null;
  #look: Promise<PlanOutcome> | null = null;
  #nextLook: Promise<PlanOutcome> | null = null;
  #isSuspended = false;

  constructor(place: { readonly path: string; readonly folder: string }, first: Served, ports: LiveConfigurationPorts) {
    this.#path = place.path;
    this.folder = place.folder;
    this.served = first;
    this.#ports = ports;
  }

  async suspend(): Promise<void> {
    this.#isSuspended = true;
    await this.#tail;
  }

  resume(): void {
    this.#isSuspended = false;
  }

  /** Signals and saves may come faster than a large document compiles: who waits already reads for those who come later. */
  reload(origin: ChangeOrigin): Promise<ApplyOutcome> {
    if (this.#nextReload !== null) return this.#nextReload;
    const reload = this.#queue(() => {
      if (this.#nextReload === reload) this.#nextReload = null;
      return this.#carryOut({ type: "path", path: this.#path }, origin);
    });
    this.#nextReload = reload;
    return reload;
  }

  refresh(origin: ChangeOrigin): Promise<ApplyOutcome> {
    // Read when its turn comes: what is served may have changed by then.
    return this.#queue(() => this.#carryOut(this.served.loadSource, origin));
  }

  apply(texts: readonly ConfigText[], origin: ChangeOrigin): Promise<ApplyOutcome> {
    return this.#change({ type: "texts", folder: this.folder, texts }, origin);
  }

  restore(former: Served, instead: RestoredFrom, origin: ChangeOrigin): Promise<ApplyOutcome | null> {
    // Looked at when its turn comes: whoever has put something else into service meanwhile must not lose that.
    return this.#queue(async () => {
      if (this.#isSuspended || this.served.version !== instead.version) return null;
      return await this.#restore(former, instead, origin);
    });
  }

  plan(texts: readonly ConfigText[]): Promise<PlanOutcome> {
    return this.#load({ type: "texts", folder: this.folder, texts });
  }

  /** However many ask, it is read once at a time: each is told what was there after it asked. */
  readDisk(): Promise<PlanOutcome> {
    if (this.#nextLook !== null) return this.#nextLook;
    const look = (this.#look ?? Promise.resolve()).then(() => {
      this.#nextLook = null;
      this.#look = look;
      return this.#load({ type: "path", path: this.#path });
    });
    // What was found may be large.
    void look.then(() => {
      if (this.#look === look) this.#look = null;
    });
    this.#nextLook = look;
    return look;
  }

  #change(source: LoadSource, origin: ChangeOrigin): Promise<ApplyOutcome> {
    return this.#queue(() => this.#carryOut(source, origin));
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    this.#nextReload = null;
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #carryOut(source: LoadSource, origin: ChangeOrigin): Promise<ApplyOutcome> {
    // An answer that it is served would be forgotten by whoever takes over.
    if (this.#isSuspended) return { result: "failed", message: "another process is taking over: try again" };
    const startedAt = performance.now();
    const before = this.served;
    const planned = await this.#load(source);
    if (planned.result === "planned") this.#ports.onLoad(planned.loaded.files);
    const files = planned.result === "rejected" ? (planned.files ?? []) : planned.result === "planned" ? planned.loaded.files : [];
    const outcome = planned.result === "planned" ? await this.#serve(planned.loaded, { source, origin, startedAt }) : withoutFiles(planned);
    return this.#ended({ before, origin, outcome }, files);
  }

  async #restore(former: Served, { version: previous, changes }: RestoredFrom, origin: ChangeOrigin): Promise<ApplyOutcome> {
    const startedAt = performance.now();
    const before = this.served;
    const { snapshot, texts } = former;
    const put = await this.#ports.putIntoService(snapshot, before.snapshot);
    if (!put.isServed) return this.#ended({ before, origin, outcome: { result: "failed", message: put.message } }, []);
    this.served = this.#remember(former, { type: "texts", folder: this.folder, texts }, origin);
    const times = { hasRolled: put.hasRolled, durationMs: Math.round(performance.now() - startedAt) };
    const outcome = { result: "applied", version: snapshot.version, previous, ...times, changes, warnings: [] } as const;
    return this.#ended({ before, origin, outcome }, []);
  }

  #ended(change: Omit<LastChange, "at">, files: readonly string[]): ApplyOutcome {
    this.last = { at: new Date().toISOString(), ...change };
    this.#ports.onChange(this.last, this.served, files);
    return change.outcome;
  }

  async #load(source: LoadSource): Promise<PlanOutcome & { readonly files?: readonly string[] }> {
    const { version, texts } = this.served;
    try {
      // Compared with its words, and not with what may lie on disk by now.
      const loaded = await this.#ports.loader.load(source, { version, source: { type: "texts", folder: this.folder, texts } });
      if (!loaded.ok) return { result: "rejected", problems: loaded.problems, files: loaded.files };
      return { result: "planned", snapshot: loaded.snapshot, changes: changesOf(loaded, version), loaded };
    } catch (error) {
      return { result: "failed", message: `the document could not be compiled: ${(error as Error).message}` };
    }
  }

  async #serve(
    loaded: Compared,
    { source, origin, startedAt }: { readonly source: LoadSource; readonly origin: ChangeOrigin; readonly startedAt: number },
  ): Promise<ApplyOutcome> {
    const { snapshot, warnings } = loaded;
    const previous = this.served.version;
    if (snapshot.version === previous) {
      // The same in other words, or in another place: from now on these are its words.
      this.served = { ...this.served, texts: loaded.texts, files: loaded.files, loadSource: source };
      return { result: "unchanged", version: previous, warnings };
    }
    const put = await this.#ports.putIntoService(snapshot, this.served.snapshot);
    if (!put.isServed) return { result: "failed", message: put.message };
    const durationMs = Math.round(performance.now() - startedAt);
    this.served = this.#remember(loaded, source, origin);
    return {
      result: "applied",
      version: snapshot.version,
      previous,
      hasRolled: put.hasRolled,
      durationMs,
      changes: await changesOf(loaded, previous),
      warnings,
    };
  }

  #remember(
    loaded: Pick<Loaded, "snapshot" | "redactedDocument" | "texts" | "files">,
    loadSource: LoadSource,
    origin: ChangeOrigin,
  ): Served {
    const { snapshot, redactedDocument, texts, files } = loaded;
    const version = { version: snapshot.version, acceptedAt: new Date().toISOString(), path: this.#path, ...origin };
    const { sequence } = this.#ports.record({ ...version, texts });
    return { ...version, sequence, snapshot, redactedDocument, texts, files, loadSource };
  }
}

function withoutFiles(planned: Extract<ApplyOutcome, { readonly result: "rejected" | "failed" }>): ApplyOutcome {
  return planned.result === "rejected"
    ? { result: "rejected", problems: planned.problems }
    : { result: "failed", message: planned.message };
}

/** Versions that differ without a difference of objects: what a file holds that both point to. */
async function changesOf({ snapshot, changes: compared }: Compared, previous: string): Promise<readonly ObjectChange[]> {
  const changes = await compared;
  if (changes.length > 0 || snapshot.version === previous) return changes;
  return [{ kind: "files", name: "", change: "changed", fields: [] }];
}
