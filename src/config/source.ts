/**
 * Reads the document's text: one file, or every *.yaml and *.yml of a directory in name order. Reports what cannot be
 * read; knows nothing of YAML.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LineCounter } from "yaml";
import type { Problem } from "./problems.js";

/** Far above any document a person or a generator should write; protects the parser's memory. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** A file of the document; every node of the tree points to one. */
export interface SourceFile {
  /** As shown in problems. */
  readonly name: string;
  /** Absolute; relative paths inside the file start here. */
  readonly directory: string;
  readonly lines: LineCounter;
}

/** Of one read, when the size is not known. */
const CHUNK_BYTES = 64 * 1024;

export interface SourceText {
  readonly file: SourceFile;
  readonly text: string;
}

export interface Sources {
  readonly texts: readonly SourceText[];
  readonly problems: readonly Problem[];
}

export function sourceFromText(text: string, fileName: string): SourceText {
  return { file: { name: fileName, directory: dirname(resolve(fileName)), lines: new LineCounter() }, text };
}

export interface ReadOptions {
  /** Pipes and devices are refused: they may block whoever reads, and a thread that is blocked there cannot even be ended. */
  readonly isFilesOnly?: boolean;
}

export function readSources(path: string, { isFilesOnly = false }: ReadOptions = {}): Sources {
  let names: string[];
  try {
    names = statSync(path).isDirectory() ? listDocuments(path) : [path];
  } catch (error) {
    return { texts: [], problems: [fileProblem(path, `cannot be read: ${reason(error)}`)] };
  }
  if (names.length === 0) return { texts: [], problems: [fileProblem(path, "holds no *.yaml or *.yml file")] };
  const texts: SourceText[] = [];
  const problems: Problem[] = [];
  for (const name of names) {
    const text = readText(name, isFilesOnly);
    if (typeof text === "string") texts.push(sourceFromText(text, name));
    else problems.push(text);
  }
  return { texts, problems };
}

/** That relative paths of a configuration start in. */
export function folderOf(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false });
  // Of one that is gone, its name tells.
  return (status?.isDirectory() ?? !/\.ya?ml$/.test(path)) ? path : dirname(path);
}

/** Not recursive; dot files are skipped (a mounted ConfigMap keeps its generations in `..data`). */
function listDocuments(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith("."))
    .sort()
    .map((name) => join(directory, name));
}

function readText(name: string, isFilesOnly: boolean): string | Problem {
  try {
    const bytes = readBounded(name, isFilesOnly);
    if (bytes === "noFile") return fileProblem(name, "is not a regular file");
    if (bytes === null) return fileProblem(name, `is larger than ${MAX_FILE_BYTES / 1024 ** 2} MiB`);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return fileProblem(name, "is not valid UTF-8 text");
    return fileProblem(name, `cannot be read: ${reason(error)}`);
  }
}

/** Null when there is more. Pipes are welcome (`<(…)` of a shell), and tell no size beforehand; some devices never end. */
function readBounded(name: string, isFilesOnly: boolean): Buffer | "noFile" | null {
  const fd = openSync(name, isFilesOnly ? constants.O_RDONLY | constants.O_NONBLOCK : "r");
  try {
    const status = fstatSync(fd);
    const { size } = status;
    // Of a directory, reading says what it is.
    if (isFilesOnly && !status.isFile() && !status.isDirectory()) return "noFile";
    if (size > MAX_FILE_BYTES) return null;
    const chunks: Buffer[] = [];
    let length = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, size - length + 1));
      const count = readSync(fd, chunk);
      if (count === 0) return Buffer.concat(chunks, length);
      chunks.push(chunk.subarray(0, count));
      length += count;
      if (length > MAX_FILE_BYTES) return null;
    }
  } finally {
    closeSync(fd);
  }
}

export function fileProblem(file: string, message: string): Problem {
  return { file, line: 0, column: 0, path: "", message, severity: "error" };
}

/** The part of a file system error worth showing: no stack, no absolute path twice. */
export function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "no such file or directory";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "EISDIR") return "it is a directory";
  return code ?? "unknown error";
}
