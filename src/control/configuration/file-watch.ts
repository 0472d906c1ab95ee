/**
 * Says when files have changed, however it was done: written in place, replaced by rename, swapped by a symbolic link on the way
 * (a mounted ConfigMap), deleted and made again. Events of the file system only make it look sooner; what counts is what a look
 * finds, and it looks every few seconds anyway (network file systems send no events).
 */
import { type FSWatcher, watch } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";

export interface FileWatch {
  /** Files, and directories of which every entry counts. Replaces what was watched; what they are now counts as known. */
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

export function watchFiles({ onChange, quietMs = QUIET_MS, pollMs = POLL_MS }: FileWatchOptions): FileWatch {
  const watchers = new Map<string, FSWatcher>();
  let paths: readonly string[] = [];
  let known = "";
  let firstEventAtMs = 0;
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  function plan(delayMs: number): void {
    if (isStopped) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => void look(), delayMs);
    timer.unref();
  }

  function noticed(): void {
    const nowMs = performance.now();
    if (firstEventAtMs === 0) firstEventAtMs = nowMs;
    plan(Math.max(0, Math.min(quietMs, firstEventAtMs + MAX_WAIT_MS - nowMs)));
  }

  async function look(): Promise<void> {
    firstEventAtMs = 0;
    const looked = paths;
    const now = await describeAll(looked);
    if (isStopped || looked !== paths) return;
    const hasChanged = now !== known;
    known = now;
    if (hasChanged) await watchDirectories();
    plan(pollMs);
    if (hasChanged && !isStopped) onChange();
  }

  /** The folders of the files, of what links lead to, and of the links. */
  async function watchDirectories(): Promise<void> {
    const wanted = new Set<string>();
    for (const path of paths) for (const folder of await foldersOf(path)) wanted.add(folder);
    if (isStopped) return;
    for (const [folder, watcher] of watchers) {
      // A folder that was replaced under its name needs a new watch, too: all are made anew.
      watcher.close();
      watchers.delete(folder);
    }
    for (const folder of wanted) startWatching(folder);
  }

  function startWatching(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, noticed);
      watcher.on("error", () => watcher.close());
      watchers.set(folder, watcher);
    } catch {
      // It does not exist, or there are too many watches: looking from time to time finds the change a little later.
    }
  }

  return {
    async follow(next) {
      paths = [...new Set(next)];
      known = await describeAll(paths);
      await watchDirectories();
      plan(pollMs);
    },
    stop() {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

async function describeAll(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(describe))).join("\n");
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
