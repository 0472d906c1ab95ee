/**
 * Endpoints from a file that others write: read when it changes, however it is replaced. A file with problems, or none at all,
 * changes nothing.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileSourceSpec } from "../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import type { Source, SourceSink } from "./source.js";

export interface FilePorts {
  /** `message` names file, line and column. */
  parse(text: string, path: string): ParsedEndpoints;
  /** Calls back as soon as it watches, then after each change of a file under this path. */
  watch(path: string, onChange: () => void): { stop(): void };
}

export type ParsedEndpoints =
  | { readonly ok: true; readonly endpoints: readonly EndpointSpec[] }
  | { readonly ok: false; readonly message: string };

/** Ten thousand endpoints with labels are a megabyte or two. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

export function createFileSource({ path }: FileSourceSpec, sink: SourceSink, ports: FilePorts): Source {
  let watching: { stop(): void } | null = null;
  let isStopped = false;
  /** Later reads win, whichever ends last. */
  let reads = 0;

  async function read(): Promise<void> {
    const number = ++reads;
    const result = await readEndpoints(path, ports);
    if (isStopped || number !== reads) return;
    sink.planned(0);
    if (result.ok) sink.found(result.endpoints);
    else sink.failed(result.message);
  }

  return {
    start() {
      // What changes before it watches is read with the first look.
      watching = ports.watch(path, () => void read());
    },
    stop() {
      isStopped = true;
      watching?.stop();
    },
  };
}

async function readEndpoints(path: string, ports: FilePorts): Promise<ParsedEndpoints> {
  try {
    const text = await readText(path);
    return ports.parse(text, path);
  } catch (error) {
    return { ok: false, message: `${path} cannot be read: ${reasonOf(error)}` };
  }
}

async function readText(path: string): Promise<string> {
  // A pipe without a writer would hold the open for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new Error("it is not a regular file");
    if (status.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES / 1024 ** 2} MiB`);
    return decode(await readBounded(file));
  } finally {
    await file.close();
  }
}

/** It may grow while it is read. */
async function readBounded(file: FileHandle): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of file.createReadStream({ autoClose: false, end: MAX_FILE_BYTES })) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
  }
  if (length > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES / 1024 ** 2} MiB`);
  return Buffer.concat(chunks, length);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not valid UTF-8 text");
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code ?? message;
}
