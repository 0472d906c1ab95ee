/** Reads a log line by line, plain or compressed with gzip, from a file or standard input, in bounded memory. */
import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { createGunzip } from "node:zlib";

export interface LineReceiver {
  /** Without its end. */
  add(line: string): void;
  /** Longer than anything this gateway writes: it was not kept. */
  addOverlong(): void;
}

export interface LogSource {
  /** As the user named it. */
  readonly name: string;
  /** Of the file, compressed or not; 0: not known. */
  readonly totalBytes: number;
  /** @param onProgress bytes of the file that have been read */
  read(receiver: LineReceiver, onProgress: (bytes: number) => void): Promise<void>;
}

const CHUNK_BYTES = 1024 * 1024;
const MAX_LINE_CHARS = 64 * 1024;
const GZIP_MAGIC = [0x1f, 0x8b] as const;

/** `-` is standard input. Throws when the file cannot be read. */
export function openLog(path: string): LogSource {
  if (path === "-")
    return { name: "standard input", totalBytes: 0, read: (receiver, onProgress) => readLines(process.stdin, receiver, onProgress) };
  const stats = statSync(path);
  if (stats.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  return {
    name: path,
    totalBytes: stats.isFile() ? stats.size : 0,
    read: (receiver, onProgress) => readLines(createReadStream(path, { highWaterMark: CHUNK_BYTES }), receiver, onProgress),
  };
}

/** Rejects when the source fails or its compressed bytes are damaged; lines before that have been handed over. */
export async function readLines(source: AsyncIterable<Buffer>, receiver: LineReceiver, onProgress: (bytes: number) => void): Promise<void> {
  const decoder = new StringDecoder("utf8");
  const splitter = new LineSplitter(receiver);
  for await (const chunk of await decompressed(counted(source, onProgress))) splitter.push(decoder.write(chunk));
  splitter.push(decoder.end());
  splitter.end();
}

async function* counted(source: AsyncIterable<Buffer>, onProgress: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    yield chunk;
    onProgress(bytes);
  }
}

/** Looks at the first two bytes; the name says nothing when it comes from a pipe. */
async function decompressed(source: AsyncGenerator<Buffer>): Promise<AsyncIterable<Buffer>> {
  let head = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const { done, value } = await source.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield head;
    yield* source;
  }
  const isCompressed = GZIP_MAGIC.every((byte, index) => head[index] === byte);
  if (!isCompressed) return whole();
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const compressed = Readable.from(whole(), { objectMode: false });
  compressed.on("error", (error) => gunzip.destroy(error));
  return compressed.pipe(gunzip);
}

class LineSplitter {
  readonly #receiver: LineReceiver;
  #pending = "";
  /** The rest of a line that is too long is on its way. */
  #isSkipping = false;

  constructor(receiver: LineReceiver) {
    this.#receiver = receiver;
  }

  push(text: string): void {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#finish(text.slice(start, end));
      start = end + 1;
    }
    if (this.#isSkipping) return;
    this.#pending += text.slice(start);
    if (this.#pending.length > MAX_LINE_CHARS) this.#giveUp();
  }

  end(): void {
    this.#finish("");
  }

  #finish(rest: string): void {
    if (this.#isSkipping) {
      this.#isSkipping = false;
      return;
    }
    const line = this.#pending === "" ? rest : this.#pending + rest;
    this.#pending = "";
    if (line.length > MAX_LINE_CHARS) this.#receiver.addOverlong();
    else this.#receiver.add(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #giveUp(): void {
    this.#pending = "";
    this.#isSkipping = true;
    this.#receiver.addOverlong();
  }
}
