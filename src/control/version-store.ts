/**
 * The history of accepted versions, on disk as far as the disk goes along. What cannot be written is kept in memory, said
 * once, and written when it can be. Nothing here throws: a gateway serves without a history, too. Writing is synchronous and
 * durable: a version that was answered for is there after `kill -9`.
 */
import type { ConfigText, ConfigVersion, StoredVersion } from "../engine/model/configuration.js";
import {
  prepareDirectory,
  readTexts,
  removeLeftovers,
  removeVersions,
  scanVersions,
  systemReason,
  type VersionFile,
  writeVersion,
} from "./version-store-files.js";
import { createStoreLock, type StoreLock } from "./version-store-lock.js";
import { lookUpVersion } from "./version-store-lookup.js";

export interface VersionStoreOptions {
  /** Absolute. */
  readonly directory: string;
  /** Versions that are kept, the newest always. */
  readonly keep?: number;
  /** Of all texts together, on disk and again in memory for what cannot be written; the newest version is kept whatever it takes. */
  readonly maxBytes?: number;
  /** Sentences for the log: what was skipped, that nothing can be written, that it can again. */
  readonly onNotice: (message: string) => void;
}

export type FoundVersion =
  | { readonly isFound: true; readonly version: StoredVersion }
  | { readonly isFound: false; readonly message: string };

export interface VersionReader {
  /** Newest first. */
  list(): readonly ConfigVersion[];
  /** An id or its beginning, `#12`, `~1` (before the newest). */
  find(id: string): FoundVersion;
  /**
   * The newest whose texts can be read; null: none.
   * @param version of those alone that are this one
   */
  lastGood(version?: string): StoredVersion | null;
}

export interface VersionStore extends VersionReader {
  record(version: Omit<StoredVersion, "sequence">): StoredVersion;
  /** Lets another process write. */
  close(): void;
  /** Another process has let go: what it has written is seen, and ours is written from now on. False: somebody else has it. */
  reopen(): boolean;
}

const DEFAULT_KEEP = 100;
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

export function createVersionStore({ keep = DEFAULT_KEEP, maxBytes = DEFAULT_MAX_BYTES, ...rest }: VersionStoreOptions): VersionStore {
  return new Store({ keep, maxBytes, ...rest });
}

/** For looking only: takes no lock and changes nothing. Throws when the directory cannot be read. */
export function readVersionHistory(directory: string, onNotice: (message: string) => void): VersionReader {
  const { files, problems } = scanVersions(directory);
  for (const problem of problems) onNotice(problem);
  const entries = files.map((file): Entry => ({ version: file.version, file, texts: null }));
  return {
    list: () => newestFirst(entries),
    find: (id) => findVersion(directory, entries, id),
    lastGood: (version) => newestReadable(directory, entries, onNotice, version),
  };
}

/** On disk (`file`), or in memory only (`texts`). */
type Entry =
  | { readonly version: ConfigVersion; readonly file: VersionFile; readonly texts: null }
  | { readonly version: ConfigVersion; readonly file: null; readonly texts: readonly ConfigText[] };

class Store implements VersionStore {
  readonly #options: Required<VersionStoreOptions>;
  readonly #lock: StoreLock;
  /** In ascending order. */
  #entries: Entry[] = [];
  #lastSequence = 0;
  #isReady = false;
  /** Why nothing is written, as it was last said. */
  #trouble = "";
  readonly #told = new Set<string>();

  constructor(options: Required<VersionStoreOptions>) {
    this.#options = options;
    this.#lock = createStoreLock(options.directory);
    this.#attempt("written", () => this.#prepare());
    // What cannot be written to may still be read.
    if (!this.#isReady) this.#attempt("read", () => this.#scan());
  }

  list(): readonly ConfigVersion[] {
    return newestFirst(this.#entries);
  }

  find(id: string): FoundVersion {
    return findVersion(this.#options.directory, this.#entries, id);
  }

  lastGood(version?: string): StoredVersion | null {
    return newestReadable(this.#options.directory, this.#entries, (message) => this.#tell(message), version);
  }

  record({ texts, ...accepted }: Omit<StoredVersion, "sequence">): StoredVersion {
    this.#attempt("written", () => this.#prepare());
    this.#lastSequence += 1;
    const version = { ...accepted, sequence: this.#lastSequence };
    this.#entries.push({ version, file: null, texts });
    this.#attempt("written", () => this.#write());
    this.#prune();
    return { ...version, texts };
  }

  close(): void {
    if (this.#isReady) this.#attempt("written", () => this.#lock.release());
    this.#isReady = false;
  }

  reopen(): boolean {
    this.#attempt("written", () => this.#prepare());
    return this.#isReady;
  }

  /** Before every write: the directory may come and go, and so may another gateway. */
  #prepare(): void {
    prepareDirectory(this.#options.directory);
    const holder = this.#lock.acquire();
    if (holder !== 0) {
      this.#isReady = false;
      throw new Error(`process ${holder} is using it`);
    }
    if (this.#isReady) return;
    removeLeftovers(this.#options.directory, this.#scan());
    this.#isReady = true;
  }

  #scan() {
    const scan = scanVersions(this.#options.directory);
    for (const problem of scan.problems) this.#tell(`${problem}; it is skipped`);
    const found = scan.files.map((file): Entry => ({ version: file.version, file, texts: null }));
    this.#entries = [...found, ...this.#entries.filter(({ file }) => file === null)].sort(bySequence);
    this.#lastSequence = Math.max(this.#lastSequence, scan.lastSequence);
    return scan;
  }

  #write(): void {
    if (!this.#isReady) return;
    this.#entries = this.#entries.map((entry) => {
      if (entry.file !== null) return entry;
      const file = writeVersion(this.#options.directory, { ...entry.version, texts: entry.texts });
      return { version: entry.version, file, texts: null };
    });
    if (this.#trouble !== "") this.#options.onNotice(`the history is written to ${this.#options.directory} again`);
    this.#trouble = "";
  }

  #prune(): void {
    const { keep, maxBytes, directory } = this.#options;
    const kept = withinLimits(this.#entries, keep, maxBytes);
    const removed = this.#entries.slice(0, this.#entries.length - kept.length);
    this.#entries = kept;
    if (!this.#isReady || removed.length === 0) return;
    const files = (entries: readonly Entry[]) => entries.flatMap(({ file }) => file ?? []);
    this.#attempt("pruned", () => removeVersions(directory, files(removed), files(kept)));
  }

  #attempt(what: "read" | "written" | "pruned", work: () => void): void {
    try {
      work();
    } catch (error) {
      const reason = systemReason(error);
      if (what !== "written") return this.#tell(`the history in ${this.#options.directory} cannot be ${what}: ${reason}`);
      if (this.#trouble === "")
        this.#options.onNotice(`the history cannot be written to ${this.#options.directory} and is kept in memory: ${reason}`);
      this.#trouble = reason;
    }
  }

  #tell(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#options.onNotice(message);
  }
}

function bySequence(a: Entry, b: Entry): number {
  return a.version.sequence - b.version.sequence;
}

function newestFirst(entries: readonly Entry[]): ConfigVersion[] {
  return entries.map(({ version }) => version).reverse();
}

function findVersion(directory: string, entries: readonly Entry[], id: string): FoundVersion {
  const found = lookUpVersion(id, newestFirst(entries));
  if (!found.isFound) return found;
  const entry = entries.find(({ version }) => version === found.version) as Entry;
  const texts = textsOf(directory, entry);
  if (texts === null) return { isFound: false, message: `the texts of version #${found.version.sequence} cannot be read any more` };
  return { isFound: true, version: { ...found.version, texts } };
}

function newestReadable(
  directory: string,
  entries: readonly Entry[],
  tell: (message: string) => void,
  wanted?: string,
): StoredVersion | null {
  for (const entry of entries.toReversed()) {
    if (wanted !== undefined && entry.version.version !== wanted) continue;
    const texts = textsOf(directory, entry);
    if (texts !== null) return { ...entry.version, texts };
    tell(`the texts of version #${entry.version.sequence} cannot be read any more`);
  }
  return null;
}

function textsOf(directory: string, entry: Entry): readonly ConfigText[] | null {
  return entry.file === null ? entry.texts : readTexts(directory, entry.file);
}

/** As many of the newest as fit; a text that several versions share counts once. */
function withinLimits(entries: readonly Entry[], keep: number, maxBytes: number): Entry[] {
  const counted = { disk: new Set<string>(), memory: new Set<string>() };
  const bytes = { disk: 0, memory: 0 };
  const kept: Entry[] = [];
  for (const entry of [...entries].reverse()) {
    const place = entry.file === null ? "memory" : "disk";
    for (const [key, size] of sizesOf(entry)) {
      if (!counted[place].has(key)) bytes[place] += size;
      counted[place].add(key);
    }
    if (kept.length > 0 && (kept.length >= keep || bytes[place] > maxBytes)) break;
    kept.push(entry);
  }
  return kept.reverse();
}

function sizesOf({ file, texts, version }: Entry): (readonly [key: string, bytes: number])[] {
  if (file === null) return texts.map(({ text }) => [text, Buffer.byteLength(text)] as const);
  return [[`#${version.sequence}`, file.bytes], ...file.texts.map(({ digest, bytes }) => [digest, bytes] as const)];
}
