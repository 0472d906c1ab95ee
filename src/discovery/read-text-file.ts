/** Small text files that others write and replace: regular ones, bounded, UTF-8. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Rejects with a message fit for logs, which names the file. */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  try {
    return decode(await readBytes(path, maxBytes));
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

async function readBytes(path: string, maxBytes: number): Promise<Uint8Array> {
  // A pipe without a writer would hold the open for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new Error("it is not a regular file");
    if (status.size > maxBytes) throw new Error(tooLarge(maxBytes));
    return await readBounded(file, maxBytes);
  } finally {
    await file.close();
  }
}

/** It may grow while it is read. */
async function readBounded(file: FileHandle, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of file.createReadStream({ autoClose: false, end: maxBytes })) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
  }
  if (length > maxBytes) throw new Error(tooLarge(maxBytes));
  return Buffer.concat(chunks, length);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not valid UTF-8 text");
  }
}

function tooLarge(maxBytes: number): string {
  return `it is larger than ${maxBytes / 1024} KiB`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code ?? message;
}
