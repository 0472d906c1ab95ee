/**
 * Versions as files. `versions/0000000012-<version>.json` says all but the texts, `texts/<sha256>` holds each text once.
 * Texts are on disk before the version that names them, and go after it; every file appears whole or not at all. So whatever
 * moment a process dies in, what is read afterwards is complete. Foreign and damaged files are reported and left alone.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";
import { digestOf } from "../config/index.js";
import type { ChangeSource, ConfigText, ConfigVersion, StoredVersion } from "../engine/model/configuration.js";

export interface TextFile {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
}

/** A version on disk. */
export interface VersionFile {
  readonly version: ConfigVersion;
  readonly texts: readonly TextFile[];
  /** Of the file that describes it, without its texts. */
  readonly bytes: number;
}

export interface Scan {
  /** In ascending order. */
  readonly files: readonly VersionFile[];
  /** Sentences about what was skipped. */
  readonly problems: readonly string[];
  /** Of all, the damaged ones too. */
  readonly lastSequence: number;
}

const MAX_VERSION_BYTES = 4 * 1024 * 1024;
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const VERSION_NAME = /^(\d{10,15})-([0-9a-f]{4,64})\.json$/;
const DIGEST = /^[0-9a-f]{64}$/;
const DRAFT = /^\.tmp-/;
const FORMAT = 1;
const SOURCES: ReadonlySet<string> = new Set<ChangeSource>(["boot", "fallback", "file", "signal", "admin", "rollback", "guard"]);

/** Throws when it cannot be had. */
export function prepareDirectory(directory: string): void {
  for (const path of [directory, versionsIn(directory), textsIn(directory)]) {
    makeFolder(path);
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
  }
}

/** Not mkdir's own recursion: Node's does not end where a folder exists and nothing can be made in it (ENOENT, as in /proc). */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Empty when there is nothing; throws when it cannot be read. */
export function scanVersions(directory: string): Scan {
  const names = namesIn(versionsIn(directory)).filter((name) => !DRAFT.test(name));
  const files: VersionFile[] = [];
  const problems: string[] = [];
  let lastSequence = 0;
  for (const name of names) {
    lastSequence = Math.max(lastSequence, Number(VERSION_NAME.exec(name)?.[1] ?? 0));
    const file = readVersionFile(directory, name);
    if (typeof file === "string") problems.push(`${join(versionsIn(directory), name)} ${file}`);
    else files.push(file);
  }
  files.sort((a, b) => a.version.sequence - b.version.sequence);
  return { files, problems, lastSequence };
}

/** Or what is wrong with it. */
function readVersionFile(directory: string, name: string): VersionFile | string {
  const [, sequence, version] = VERSION_NAME.exec(name) ?? [];
  if (sequence === undefined) return "is not a file of the history";
  const text = readSmallFile(join(versionsIn(directory), name), MAX_VERSION_BYTES);
  const file = text === null ? null : parseVersionFile(text);
  if (file === null || file.version.version !== version || file.version.sequence !== Number(sequence)) return "is damaged";
  const missing = file.texts.find(({ digest, bytes }) => sizeOf(join(textsIn(directory), digest)) !== bytes);
  return missing === undefined ? file : `is of no use: the text of ${JSON.stringify(missing.name)} is missing or damaged`;
}

function parseVersionFile(text: string): VersionFile | null {
  try {
    const data = JSON.parse(text) as Record<string, unknown> | null;
    if (typeof data !== "object" || data === null || data["format"] !== FORMAT || !Array.isArray(data["texts"])) return null;
    const version = pickVersion(data);
    const isSound = isVersion(version) && data["texts"].every(isTextFile);
    return isSound ? { version, texts: data["texts"] as TextFile[], bytes: Buffer.byteLength(text) } : null;
  } catch {
    return null;
  }
}

function pickVersion(data: Record<string, unknown>): ConfigVersion {
  const { version, sequence, acceptedAt, source, author, note, path } = data;
  return { version, sequence, acceptedAt, source, author, note, path } as ConfigVersion;
}

function isVersion({ version, sequence, acceptedAt, source, author, note, path }: ConfigVersion): boolean {
  const areTexts = [version, acceptedAt, author, note, path].every((value) => typeof value === "string");
  return areTexts && Number.isSafeInteger(sequence) && SOURCES.has(source) && !Number.isNaN(Date.parse(acceptedAt));
}

function isTextFile(value: unknown): value is TextFile {
  if (typeof value !== "object" || value === null) return false;
  const { name, digest, bytes } = value as Partial<TextFile>;
  return typeof name === "string" && typeof digest === "string" && DIGEST.test(digest) && Number.isSafeInteger(bytes);
}

/** Null when one of them is missing or not what it was. */
export function readTexts(directory: string, { texts }: VersionFile): ConfigText[] | null {
  const read: ConfigText[] = [];
  for (const { name, digest } of texts) {
    const text = readSmallFile(join(textsIn(directory), digest), MAX_TEXT_BYTES);
    if (text === null || digestOf(text) !== digest) return null;
    read.push({ name, text });
  }
  return read;
}

/** Throws when the disk refuses; nothing of the version is visible then. */
export function writeVersion(directory: string, { texts, ...rest }: StoredVersion): VersionFile {
  const version = pickVersion({ ...rest });
  const named = texts.map(({ name, text }): TextFile => ({ name, digest: digestOf(text), bytes: Buffer.byteLength(text) }));
  const line = `${JSON.stringify({ format: FORMAT, ...version, texts: named }, null, 2)}\n`;
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_VERSION_BYTES) throw new Error("what describes it is too long");
  texts.forEach(({ text }, index) => {
    const digest = named[index]?.digest ?? "";
    const known = readSmallFile(join(textsIn(directory), digest), MAX_TEXT_BYTES);
    if (known === null || digestOf(known) !== digest) writeDurably(textsIn(directory), digest, text);
  });
  syncFolder(textsIn(directory));
  writeDurably(versionsIn(directory), fileName(version), line);
  syncFolder(versionsIn(directory));
  return { version, texts: named, bytes };
}

/** Then texts that no other version names. @param kept whatever else is on disk */
export function removeVersions(directory: string, removed: readonly VersionFile[], kept: readonly VersionFile[]): void {
  if (removed.length === 0) return;
  for (const { version } of removed) rmSync(join(versionsIn(directory), fileName(version)), { force: true });
  syncFolder(versionsIn(directory));
  const needed = new Set(kept.flatMap(({ texts }) => texts.map(({ digest }) => digest)));
  const digests = new Set(removed.flatMap(({ texts }) => texts.map(({ digest }) => digest)));
  for (const digest of digests) if (!needed.has(digest)) rmSync(join(textsIn(directory), digest), { force: true });
}

/** What a process that was killed in the middle left behind. Only for whoever holds the lock. */
export function removeLeftovers(directory: string, { files, problems }: Scan): void {
  for (const folder of [directory, versionsIn(directory), textsIn(directory)])
    for (const name of namesIn(folder)) if (DRAFT.test(name)) rmSync(join(folder, name), { force: true });
  // A damaged version may be mended by hand, as long as its texts are there.
  if (problems.length > 0) return;
  const needed = new Set(files.flatMap(({ texts }) => texts.map(({ digest }) => digest)));
  for (const name of namesIn(textsIn(directory)))
    if (DIGEST.test(name) && !needed.has(name)) rmSync(join(textsIn(directory), name), { force: true });
}

function versionsIn(directory: string): string {
  return join(directory, "versions");
}

function textsIn(directory: string): string {
  return join(directory, "texts");
}

function fileName({ sequence, version }: ConfigVersion): string {
  return `${String(sequence).padStart(10, "0")}-${version}.json`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}

/** Null when it cannot be read, is too large or no regular file: a pipe would block the process. */
function readSmallFile(path: string, maxBytes: number): string | null {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    return status.isFile() && status.size <= maxBytes ? readFileSync(fd, "utf8") : null;
  } catch {
    return null;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function writeDurably(folder: string, name: string, text: string): void {
  const draft = join(folder, `.tmp-${process.pid}-${name}`);
  try {
    writeFileSync(draft, text, { mode: 0o600, flush: true });
    renameSync(draft, join(folder, name));
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Else a rename may be forgotten when the machine stops. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** `no space left on device`, as the system says it. */
export function systemReason(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message;
}
