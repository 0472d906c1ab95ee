/**
 * Says when files have changed, however it was done: written in place, replaced by rename, swapped by a symbolic link on the way
 * (a mounted ConfigMap), deleted and made again. Events of the file system only make it look sooner; what counts is what a look
 * finds, and it looks every few seconds anyway (network file systems send no events).
 */
import { type FSWatcher, watch } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";

export interface FileWatch {
  /** Files, and directories of which every entry counts. Replaces what was watched; what new ones are now counts as known. */
  follow(paths: readonly string[]): Promise<void>;
  stop(): void;
}

export interface FileWatchOptions {
  readonly onChange: () => void;
  /** So long nothing must have happened: a save is often several steps. */
  readonly quietMs?: number;
  readonly pollMs?: number;
}

const QUIET_MS = 80;
/** Changes that never pause are looked at after this. */
const MAX_WAIT_MS = 1_000;
const POLL_MS = 2_000;
/** Editors leave temporary files beside; more entries than this are no configuration. */
const MAX_ENTRIES = 10_000;

export function watchFiles(options: FileWatchOptions): FileWatch {
  return new Watch({ quietMs: QUIET_MS, pollMs: POLL_MS, ...options });
}

class Watch implements FileWatch {
  readonly #options: Required<FileWatchOptions>;
  readonly #watchers = new Map<string, FSWatcher>();
  #paths: readonly string[] = [];
  #known: ReadonlyMap<string, string> = new Map();
  #firstEventAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: Required<FileWatchOptions>) {
    this.#options = options;
  }

  async follow(next: readonly string[]): Promise<void> {
    const wanted = [...new Set(next)];
    if (wanted.length === this.#paths.length && wanted.every((path) => this.#known.has(path))) return;
    this.#paths = wanted;
    const now = await describeAll(wanted);
    if (this.#paths !== wanted) return;
    // A change that has not been looked at yet must not be forgotten.
    this.#known = new Map([...now].map(([path, is]) => [path, this.#known.get(path) ?? is]));
    await this.#watchFolders();
    this.#noticed();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #plan(delayMs: number): void {
    if (this.#isStopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), delayMs);
    this.#timer.unref();
  }

  #noticed(): void {
    const nowMs = performance.now();
    if (this.#firstEventAtMs === 0) this.#firstEventAtMs = nowMs;
    this.#plan(Math.max(0, Math.min(this.#options.quietMs, this.#firstEventAtMs + MAX_WAIT_MS - nowMs)));
  }

  async #look(): Promise<void> {
    this.#firstEventAtMs = 0;
    const paths = this.#paths;
    const now = await describeAll(paths);
    if (this.#isStopped || paths !== this.#paths) return;
    const hasChanged = paths.some((path) => now.get(path) !== this.#known.get(path));
    this.#known = now;
    if (hasChanged) await this.#watchFolders();
    this.#plan(this.#options.pollMs);
    if (hasChanged && !this.#isStopped) this.#options.onChange();
  }

  /** The folders of the files, of what links lead to, and of the links. */
  async #watchFolders(): Promise<void> {
    const folders = new Set((await Promise.all(this.#paths.map(foldersOf))).flat());
    if (this.#isStopped) return;
    // A folder that was replaced under its name needs a new watch, too: all are made anew.
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    for (const folder of folders) this.#watchFolder(folder);
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#noticed());
      watcher.on("error", () => watcher.close());
      this.#watchers.set(folder, watcher);
    } catch {
      // It does not exist, or there are too many watches: looking from time to time finds the change a little later.
    }
  }
}

async function describeAll(paths: readonly string[]): Promise<Map<string, string>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await describe(path)] as const)));
}

/** Differs when the content may: another file under the name, another size or time. */
async function describe(path: string): Promise<string> {
  try {
    const found = await stat(path, { bigint: true });
    if (!found.isDirectory()) return `${path} ${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
    const names = (await readdir(path)).filter((name) => /\.ya?ml$/.test(name) && !name.startsWith(".")).sort();
    const entries = names.slice(0, MAX_ENTRIES).map((name) => describe(`${path}/${name}`));
    return `${path}: ${(await Promise.all(entries)).join(", ")}`;
  } catch (error) {
    return `${path} ${(error as NodeJS.ErrnoException).code}`;
  }
}

async function foldersOf(path: string): Promise<readonly string[]> {
  const folders = [dirname(path)];
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isDirectory) folders.push(path);
  const real = await realpath(path).catch(() => path);
  if (real !== path) folders.push(dirname(real), ...(isDirectory ? [real] : []));
  return folders;
}
