/**
 * Keeps the audit log of the admin API: JSON lines in the state directory, in a few files of bounded size, and a line in the log of
 * the process. Without a state directory it is kept in memory only. A disk that is full or gone costs the file, not the order.
 */
import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry, AuditTrail } from "../admin/audit.js";
import type { ProcessLog } from "../telemetry/process-log.js";

export interface AuditLogOptions {
  /** Exists; null: in memory only. */
  readonly directory: string | null;
  readonly log: ProcessLog;
  /** Default: 4 MiB. */
  readonly maxFileBytes?: number;
}

/** `audit.log`, then older ones with `.1`… behind. */
const NAME = "audit.log";
const OLDER_FILES = 4;
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** What is asked for at most, and what is held in memory. */
const MAX_RECENT = 1000;
/** More than MAX_RECENT lines have at the end of a file. */
const MAX_TAIL_BYTES = 2 * 1024 * 1024;
const OWNER_ONLY = 0o600;

export function createAuditLog({ directory, log, maxFileBytes = MAX_FILE_BYTES }: AuditLogOptions): AuditTrail {
  const path = directory === null ? null : join(directory, NAME);
  let isFailing = false;
  /** Oldest first. */
  const recent: AuditEntry[] = path === null ? [] : readRecent(path, log);

  function append(file: string, line: string): void {
    try {
      rotate(file, maxFileBytes, Buffer.byteLength(line));
      appendFileSync(file, line, { mode: OWNER_ONLY });
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.error({ err: error, path: file }, "the audit log cannot be written: entries are in this log and in memory only");
      isFailing = true;
    }
  }

  return {
    record(entry) {
      recent.push(entry);
      if (recent.length > MAX_RECENT) recent.shift();
      log.info({ ...entry, at: undefined }, "admin API: an attempt to change something");
      if (path !== null) append(path, `${JSON.stringify(entry)}\n`);
    },
    recent: (limit) => recent.slice(-limit).reverse(),
  };
}

/** One write appends a line whole, so an old and a new process may share the file during an upgrade. */
function rotate(path: string, maxBytes: number, addedBytes: number): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || size + addedBytes <= maxBytes) return;
  for (let age = OLDER_FILES; age >= 1; age--) {
    const younger = age === 1 ? path : `${path}.${age - 1}`;
    if (existsSync(younger)) renameSync(younger, `${path}.${age}`);
  }
}

function readRecent(path: string, log: ProcessLog): AuditEntry[] {
  try {
    const [older, newer] = [tailOf(`${path}.1`), tailOf(path)];
    // A crash may have cut off the last line; the next one must not be appended to it.
    if (newer !== "" && !newer.endsWith("\n")) appendFileSync(path, "\n");
    const lines = [...older.split("\n"), ...newer.split("\n")];
    return lines.flatMap(parseEntry).slice(-MAX_RECENT);
  } catch (error) {
    log.warn({ err: error, path }, "the audit log cannot be read");
    return [];
  }
}

function tailOf(path: string): string {
  if (!existsSync(path)) return "";
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, MAX_TAIL_BYTES));
    const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

/** A line that a crash cut off, or of a later program, is left out. */
function parseEntry(line: string): AuditEntry[] {
  try {
    const entry = JSON.parse(line) as Partial<AuditEntry> | null;
    const isEntry = typeof entry?.at === "string" && typeof entry.operation === "string" && typeof entry.status === "number";
    return isEntry ? [entry as AuditEntry] : [];
  } catch {
    return [];
  }
}
