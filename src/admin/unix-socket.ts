/**
 * A Unix socket that only its owner may open. It is made under a random name and linked to its own when nobody else can open it,
 * so that there is no moment with wider rights; a file that a dead process left is replaced, one that is listened to is not.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, lstatSync, type Stats, statSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";

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
  await removeStale(path);
  const firstPath = join(dirname(path), `.w${randomBytes(FIRST_NAME_RANDOM_BYTES).toString("hex")}`);
  await listen(server, firstPath);
  try {
    chmodSync(firstPath, OWNER_ONLY);
    const { ino, dev } = lstatSync(firstPath);
    linkSync(firstPath, path);
    return { remove: () => removeOwn(path, { ino, dev }) };
  } catch (error) {
    server.close();
    throw new Error(`admin.socket: cannot make ${path}: ${codeOf(error) === "EEXIST" ? "another process was faster" : codeOf(error)}`);
  } finally {
    removeQuietly(firstPath);
  }
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
  if (!status.isDirectory()) throw new Error(`admin.socket: ${folder} is not a folder`);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`admin.socket: ${path} exists and is not a socket`);
  if (await isListenedTo(path)) throw new Error(`admin.socket: ${path} is in use by another process`);
  removeOwn(path, found);
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
    const fail = (error: Error): void => reject(new Error(`admin.socket: cannot make a socket in ${dirname(path)}: ${codeOf(error)}`));
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

function removeOwn(path: string, own: Pick<Stats, "ino" | "dev">): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.ino === own.ino && found.dev === own.dev) removeQuietly(path);
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
