/** The configuration that a gateway starts with: from disk, or from the history when it is told so. */
import { type ConfigResult, folderOf, loadConfig, loadTexts, redactDocument } from "../config/index.js";
import type { FirstConfiguration } from "../control/configuration/configuration-service.js";
import type { ChangeOrigin } from "../control/configuration/live-configuration.js";
import { readVersionHistory } from "../control/version-store.js";
import type { StoredVersion } from "../engine/model/configuration.js";
import { printProblems } from "./problem-lines.js";

export interface FirstChoice {
  readonly path: string;
  /** Absolute. */
  readonly stateDirectory: string;
  /** When the document has problems, start with the last version that was accepted. */
  readonly isLastGoodEnough: boolean;
  /** Goes on where another process stopped: with the version it served, whatever lies on disk; null: it is the first. */
  readonly resumes: string | null;
}

/** Null: problems were printed. Warnings are printed and stop nobody. */
export function loadFirst(choice: FirstChoice): FirstConfiguration | null {
  if (choice.resumes !== null) return loadResumed(choice, choice.resumes) ?? loadForgotten(choice);
  const { path } = choice;
  const result = loadConfig(path);
  printProblems(result.ok ? result.warnings : result.problems);
  if (result.ok) return firstOf(path, result, { source: "boot", author: "", note: "" });
  const count = result.problems.length;
  const problems = `${path} has ${count} ${count === 1 ? "problem" : "problems"}`;
  if (choice.isLastGoodEnough) return loadLastGood(choice, problems);
  process.stderr.write(`windrose: ${problems}; nothing was started\n`);
  return null;
}

function loadLastGood(choice: FirstChoice, problems: string): FirstConfiguration | null {
  const last = lastVersion(choice.stateDirectory);
  const result = last === null ? null : loadTexts(folderOf(choice.path), last.texts);
  if (last === null || !result?.ok) {
    const why = last === null ? "there is no version in the history" : `version ${last.version} does not compile any more either`;
    process.stderr.write(`windrose: ${problems}, and ${why}; nothing was started\n`);
    return null;
  }
  const note = `${problems}; serving version ${result.snapshot.version}, accepted at ${last.acceptedAt}`;
  process.stderr.write(`windrose: WARNING: ${note}\n`);
  return firstOf(choice.path, result, { source: "fallback", author: "", note });
}

/** The newest of the history may be another gateway's, when what was served could not be written. */
function loadResumed({ path, stateDirectory }: FirstChoice, version: string): FirstConfiguration | null {
  const last = lastVersion(stateDirectory, version);
  const result = last === null ? null : loadTexts(folderOf(path), last.texts);
  return last === null || !result?.ok ? null : firstOf(path, result, { source: last.source, author: last.author, note: last.note });
}

function loadForgotten(choice: FirstChoice): FirstConfiguration | null {
  const { path, stateDirectory } = choice;
  process.stderr.write(
    `windrose: WARNING: what was served before is not in the history in ${stateDirectory}; serving what is in ${path}\n`,
  );
  return loadFirst({ ...choice, resumes: null });
}

function lastVersion(stateDirectory: string, version?: string): StoredVersion | null {
  try {
    return readVersionHistory(stateDirectory, (message) => process.stderr.write(`windrose: history: ${message}\n`)).lastGood(version);
  } catch {
    // No gateway has run with this state directory yet.
    return null;
  }
}

function firstOf(path: string, result: Extract<ConfigResult, { ok: true }>, origin: ChangeOrigin): FirstConfiguration {
  const { snapshot, document } = result;
  const { texts, files } = document;
  return { path, snapshot, redactedDocument: redactDocument(document), texts, files, origin };
}
