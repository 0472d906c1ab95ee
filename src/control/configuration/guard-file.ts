/**
 * What is being watched, as a file of the state directory: a primary that takes the place of another one goes on watching. Best
 * effort: a disk that refuses costs that, not the apply.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface GuardRecord {
  /** That is watched. */
  readonly version: string;
  /** In the history: what it goes back to. */
  readonly previousSequence: number;
  readonly maxErrorRate: number;
  /** Milliseconds since the epoch. */
  readonly endsAtMs: number;
}

export interface GuardFile {
  /** Null: nothing is watched any more. */
  write(record: GuardRecord | null): void;
  /** Null: there is none that can be read. */
  read(): GuardRecord | null;
}

const NAME = "guard.json";
const OWNER_ONLY = 0o600;

/** @param directory null: there is no place for it */
export function createGuardFile(directory: string | null, onFailure: (error: unknown) => void): GuardFile {
  if (directory === null) return { write: () => {}, read: () => null };
  const path = join(directory, NAME);
  return {
    write(record) {
      try {
        if (record === null) return rmSync(path, { force: true });
        writeFileSync(`${path}.tmp`, JSON.stringify(record), { mode: OWNER_ONLY });
        renameSync(`${path}.tmp`, path);
      } catch (error) {
        onFailure(error);
      }
    },
    read() {
      try {
        return pick(JSON.parse(readFileSync(path, "utf8")) as Partial<GuardRecord> | null);
      } catch {
        return null;
      }
    },
  };
}

function pick(data: Partial<GuardRecord> | null): GuardRecord | null {
  const { version, previousSequence, maxErrorRate, endsAtMs } = data ?? {};
  const isSound = typeof version === "string" && [previousSequence, maxErrorRate, endsAtMs].every(Number.isFinite);
  return isSound ? ({ version, previousSequence, maxErrorRate, endsAtMs } as GuardRecord) : null;
}
