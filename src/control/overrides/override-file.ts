/** Overrides of endpoints on disk, in the state directory: they outlive processes, for an operator who drained something means it. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { KeptOverride } from "./endpoint-overrides.js";

export interface OverrideFile {
  /** As they were written last. Nothing when there is no file; what cannot be read is told of, and left out. */
  read(): readonly KeptOverride[];
  /** False: the disk refuses, they are in memory only. */
  write(overrides: readonly KeptOverride[]): boolean;
}

const NAME = "overrides.json";
const OWNER_ONLY = 0o600;
const MAX_BYTES = 32 * 1024 * 1024;

/** @param directory null: there is no place for it */
export function createOverrideFile(directory: string | null, warn: (message: string, error: unknown) => void): OverrideFile {
  if (directory === null) return { read: () => [], write: () => false };
  const path = join(directory, NAME);
  return {
    read() {
      try {
        if (statSync(path).size > MAX_BYTES) throw new Error("the file is too large");
        return readOverrides(JSON.parse(readFileSync(path, "utf8")));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") warn(`overrides of endpoints are lost: ${path} cannot be read`, error);
        return [];
      }
    },
    write(overrides) {
      try {
        replaceFile(path, JSON.stringify({ overrides }));
        return true;
      } catch (error) {
        warn("overrides of endpoints cannot be kept on disk: they end with this process", error);
        return false;
      }
    },
  };
}

/** Whole or not at all, whenever the machine fails. Only one process at a time writes. */
function replaceFile(path: string, text: string): void {
  const fresh = `${path}.tmp`;
  rmSync(fresh, { force: true });
  sync(openSync(fresh, "wx", OWNER_ONLY), (file) => writeFileSync(file, text));
  renameSync(fresh, path);
  sync(openSync(dirname(path), "r"), () => {});
}

function sync(file: number, change: (file: number) => void): void {
  try {
    change(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readOverrides(document: unknown): KeptOverride[] {
  const list = isObject(document) ? document["overrides"] : null;
  if (!Array.isArray(list)) throw new Error("it holds no overrides");
  return list.filter(isOverride);
}

function isOverride(value: unknown): value is KeptOverride {
  if (!isObject(value)) return false;
  const { service, endpoint, weight, isDraining, note, author, setAtMs, weightUntilMs, drainingUntilMs } = value;
  const areTexts = [service, endpoint, note, author].every((text) => typeof text === "string");
  const isSound = (weight === null || isCount(weight)) && typeof isDraining === "boolean";
  return areTexts && isSound && [setAtMs, weightUntilMs, drainingUntilMs].every(isCount);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
