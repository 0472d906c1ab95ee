/** The whole way from YAML to a snapshot: read, merge, validate, check, compile. All problems of one run are returned together. */
import { basename, join, resolve } from "node:path";
import type { ConfigText } from "../engine/model/configuration.js";
import type { Snapshot } from "../engine/model/snapshot.js";
import { checkDocument } from "./checks/check-document.js";
import { compile } from "./compile.js";
import { inlineFilterFiles } from "./filter-files.js";
import { Materials } from "./materials.js";
import { mergeTrees } from "./merge-trees.js";
import { type Problem, sortProblems } from "./problems.js";
import { PieceCache, readLargeTree } from "./read-pieces.js";
import type { LoadedDocument } from "./redact.js";
import { completeDocument, type WrittenDocument } from "./schema/document.js";
import { fileProblem, readSources, type SourceText, sourceFromText } from "./source.js";
import type { Environment } from "./substitute.js";
import type { Tree } from "./tree.js";
import { type Draft, validate } from "./validate.js";

export interface LoadOptions {
  /** Default: the process's environment. */
  readonly env?: Environment;
  /** Against which certificates have expired, in milliseconds since the epoch. Default: now. */
  readonly nowMs?: number;
  /** Where the gateway is to run. Default: here. */
  readonly platform?: NodeJS.Platform;
  /** What was read before, for whoever loads large documents again and again. */
  readonly pieces?: PieceCache;
  /** For whoever must not be blocked: pipes and devices are problems. Default: they are read. */
  readonly isFilesOnly?: boolean;
}

export type ConfigResult =
  | { readonly ok: true; readonly snapshot: Snapshot; readonly warnings: readonly Problem[]; readonly document: LoadedDocument }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      /** Absolute paths of the files that were read, or should have been: when one of them changes it may be right. */
      readonly files: readonly string[];
    };

/** `path` is a YAML file, or a directory of them. */
export function loadConfig(path: string, options: LoadOptions = {}): ConfigResult {
  const sources = readSources(path, options);
  return loadSources(path, sources.texts, sources.problems, options);
}

/** `fileName` appears in problems, and relative paths in the text start at its directory. */
export function parseConfig(text: string, fileName: string, options: LoadOptions = {}): ConfigResult {
  return loadSources(fileName, [sourceFromText(text.replace(/^\uFEFF/, ""), fileName)], [], options);
}

/** The files of a document that are not on disk (any more), as if they lay in `folder`. */
export function loadTexts(folder: string, texts: readonly ConfigText[], options: LoadOptions = {}): ConfigResult {
  const named = texts.map(({ name, text }) => ({ name: join(folder, basename(name)), text: text.replace(/^\uFEFF/, "") }));
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  return loadSources(
    folder,
    named.map(({ name, text }) => sourceFromText(text, name)),
    [],
    options,
  );
}

/** What is in files at a path, as it would be loaded; whatever cannot be read is left out. */
export function readTexts(path: string): ConfigText[] {
  return writtenTexts(readSources(path, { isFilesOnly: true }).texts);
}

function writtenTexts(texts: readonly SourceText[]): ConfigText[] {
  return texts.map(({ file, text }) => ({ name: basename(file.name), text }));
}

function loadSources(name: string, texts: readonly SourceText[], readProblems: readonly Problem[], options: LoadOptions): ConfigResult {
  const problems = [...readProblems];
  const trees: Tree[] = [];
  const cache = options.pieces ?? new PieceCache();
  for (const text of texts) {
    const result = readLargeTree(text, options.env ?? process.env, cache);
    problems.push(...result.problems);
    if (result.tree !== null) trees.push(result.tree);
  }
  const yamlFiles = texts.map((text) => resolve(text.file.name));
  const [first, ...others] = trees;
  if (first === undefined) return failure(problems.length > 0 ? problems : [fileProblem(name, "is empty")], yamlFiles);
  const merged = mergeTrees([first, ...others]);
  problems.push(...merged.problems);
  // What other files would have added is unknown: reports about what is missing would mislead.
  if (trees.length < texts.length && problems.length > 0) return failure(problems, yamlFiles);
  return build(merged.tree, { problems, options, texts, yamlFiles });
}

interface BuildInput {
  readonly problems: Problem[];
  readonly options: LoadOptions;
  readonly texts: readonly SourceText[];
  readonly yamlFiles: readonly string[];
}

function build(tree: Tree, { problems, options, texts, yamlFiles }: BuildInput): ConfigResult {
  const { nowMs = Date.now(), platform = process.platform } = options;
  const materials = new Materials();
  problems.push(...inlineFilterFiles(tree, materials));
  const validation = validate(tree);
  if (!validation.ok) problems.push(...validation.problems);
  const draft = validation.ok ? (validation.document as Draft<WrittenDocument>) : validation.draft;
  const found = checkDocument(draft, tree, { materials, nowMs, platform });
  problems.push(...found.filter((problem) => problem.severity === "error"));
  const files = [...yamlFiles, ...materials.files].sort();
  if (problems.length > 0 || !validation.ok) return failure(problems, files);
  const effective = completeDocument(validation.document);
  const { snapshot, identity } = compile({ document: effective, materials, tree });
  const document = { effective, tree, files, texts: writtenTexts(texts), identity, contents: materials.contents() };
  return { ok: true, snapshot, warnings: sortProblems(found), document };
}

/** A misplaced value can be met by several rules: one report of it is enough. */
function failure(problems: readonly Problem[], files: readonly string[]): ConfigResult {
  const unique = new Map(
    problems.map((problem) => [JSON.stringify([problem.file, problem.line, problem.column, problem.path, problem.message]), problem]),
  );
  return { ok: false, problems: sortProblems([...unique.values()]), files };
}
