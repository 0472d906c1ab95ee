/**
 * A Unix socket that only its owner may open. It is made under a random name and linked to its own when nobody else can open it,
 * so that there is no moment with wider rights; a file that a dead process left is replaced, one that is listened to is not.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, lstatSync, renameSync, type Stats, statSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";
import { AdminUnavailable } from "./unavailable.js";

export interface BoundSocket {
  /** Takes the file away, unless it is somebody else's by now. */
  remove(): void;
}

const OWNER_ONLY = 0o600;
const PROBE_TIMEOUT_MS = 1_000;
/** With the slash before it nine bytes; the check of the configuration counts on that. */
const FIRST_NAME_RANDOM_BYTES = 3;

/** Rejects with a message for the operator. */
export async function listenOnSocket(server: Server, path: string): Promise<BoundSocket> {
  requireFolder(dirname(path));
  const firstPath = nameBeside(path);
  // Before the stale file is removed, so that this one cannot get its inode number, by which it is known.
  await listen(server, firstPath);
  try {
    chmodSync(firstPath, OWNER_ONLY);
    const own = lstatSync(firstPath);
    await removeStale(path);
    linkSync(firstPath, path);
    return { remove: () => removeOwn(path, own) };
  } catch (error) {
    server.close();
    throw error instanceof AdminUnavailable ? error : new AdminUnavailable(`admin.socket: cannot make ${path}: ${linkReason(error)}`);
  } finally {
    removeQuietly(firstPath);
  }
}

function linkReason(error: unknown): string {
  return codeOf(error) === "EEXIST" ? "another process was faster" : codeOf(error);
}

function nameBeside(path: string): string {
  return join(dirname(path), `.w${randomBytes(FIRST_NAME_RANDOM_BYTES).toString("hex")}`);
}

function requireFolder(folder: string): void {
  let status: Stats;
  try {
    status = statSync(folder);
  } catch (error) {
    throw new Error(
      `admin.socket: the folder ${folder} ${codeOf(error) === "ENOENT" ? "does not exist" : `cannot be used: ${codeOf(error)}`}`,
    );
  }
  if (!status.isDirectory()) throw new AdminUnavailable(`admin.socket: ${folder} is not a folder`);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new AdminUnavailable(`admin.socket: ${path} exists and is not a socket`);
  if (await isListenedTo(path)) throw new AdminUnavailable(`admin.socket: ${path} is in use by another process`);
  takeAway(path, found);
}

/** By renaming: if somebody else has replaced the stale file since, it is seen and given back. */
function takeAway(path: string, stale: Stats): void {
  const aside = nameBeside(path);
  try {
    renameSync(path, aside);
    if (!isSame(lstatSync(aside), stale)) linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  } finally {
    removeQuietly(aside);
  }
}

/** A socket that refuses has nobody behind it. Whatever else happens, somebody may be there. */
function isListenedTo(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    const finish = (isLive: boolean): void => {
      probe.destroy();
      resolve(isLive);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => finish(true));
    probe.once("connect", () => finish(true));
    probe.once("error", (error) => finish(!isRefusal(error)));
  });
}

/** Gone meanwhile, or nobody listens. */
function isRefusal(error: NodeJS.ErrnoException): boolean {
  return error.code === "ENOENT" || error.code === "ECONNREFUSED";
}

/** Binding is synchronous, so no other file of this thread is made under this mask. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new AdminUnavailable(`admin.socket: cannot make a socket in ${dirname(path)}: ${codeOf(error)}`));
    server.once("error", fail);
    const mask = process.umask(0o177);
    try {
      server.listen({ path }, () => {
        server.off("error", fail);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

function removeOwn(path: string, own: Stats): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && isSame(found, own)) removeQuietly(path);
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.birthtimeMs === b.birthtimeMs;
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or the folder was made read-only: the next start replaces it.
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown error";
}
