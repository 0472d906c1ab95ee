/** Finds a history on disk for whoever only wants to look: in the directory itself, or in the only one below it that has one. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { readVersionHistory, type VersionReader } from "./version-store.js";
import { systemReason } from "./version-store-files.js";

/** Or why there is none to look at. */
export function openHistory(directory: string, onNotice: (message: string) => void): VersionReader | string {
  try {
    const candidates = [directory, ...readdirSync(directory).map((name) => join(directory, name))].filter(hasHistory);
    const [only] = candidates;
    if (only === undefined) return `there is no history in ${directory}`;
    if (candidates.length === 1) return readVersionHistory(only, onNotice);
    return `there are several histories in ${directory}; name one:\n${candidates.map(describe).join("\n")}`;
  } catch (error) {
    return `the history in ${directory} cannot be read: ${systemReason(error)}`;
  }
}

function hasHistory(directory: string): boolean {
  try {
    return statSync(join(directory, "versions")).isDirectory();
  } catch {
    return false;
  }
}

function describe(directory: string): string {
  const [newest] = readVersionHistory(directory, () => {}).list();
  return `  ${directory}${newest === undefined ? "" : ` (${newest.path})`}`;
}
