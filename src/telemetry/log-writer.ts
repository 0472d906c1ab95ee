/**
 * Buffers lines and writes them in chunks of whole lines, off the hot path. The buffer is bounded: when the destination is slow
 * or failing, lines are dropped and counted; nothing waits, grows or throws.
 */
import { write, writeSync } from "node:fs";
import { type LogDestination, openLogDestination } from "./log-destination.js";

export interface LogWriterOptions {
  /** `stdout`, `stderr` or a file. */
  readonly path: string;
  /** Descriptor of `stdout`; workers have it elsewhere than at 1. */
  readonly stdoutFd?: number;
  /** Lines beyond it are dropped. */
  readonly maxBufferBytes?: number;
  /** Called when writing begins to fail, not for every failure. */
  readonly onProblem?: (error: Error) => void;
}

interface Chunk {
  readonly bytes: Buffer;
  readonly lines: number;
  written: number;
}

/** How long a line may wait for others. */
const FLUSH_DELAY_MS = 100;
/** A full pipe is tried again after this; a failing destination after a longer pause. */
const RETRY_FULL_MS = 10;
const RETRY_FAILED_MS = 1000;

export class LogWriter {
  readonly #path: string;
  readonly #stdoutFd: number;
  readonly #maxBufferBytes: number;
  readonly #onProblem: (error: Error) => void;
  #destination: LogDestination;
  #text = "";
  #textLines = 0;
  readonly #chunks: Chunk[] = [];
  #bufferedBytes = 0;
  #isWriting = false;
  #isFailing = false;
  #isClosed = false;
  /** A failed or refused write is repeated by the timer, not by the next line. */
  #isPaused = false;
  #mustReopen = false;
  #immediate: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #waiting: (() => void)[] = [];
  #writtenLines = 0;
  #droppedLines = 0;

  /** Throws when the destination cannot be opened. */
  constructor({ path, stdoutFd = 1, maxBufferBytes = 1024 * 1024, onProblem = () => undefined }: LogWriterOptions) {
    this.#path = path;
    this.#stdoutFd = stdoutFd;
    this.#maxBufferBytes = maxBufferBytes;
    this.#onProblem = onProblem;
    this.#destination = openLogDestination(path, stdoutFd);
  }

  get writtenLines(): number {
    return this.#writtenLines;
  }

  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** @param line ASCII, ends with a line feed. */
  write(line: string): void {
    if (this.#isClosed || this.#bufferedBytes + line.length > this.#maxBufferBytes) {
      this.#droppedLines++;
      return;
    }
    if (this.#text.length + line.length > this.#destination.chunkBytes && this.#text !== "") {
      this.#seal();
      if (!this.#isPaused) this.#immediate ??= setImmediate(() => this.#pump());
    }
    this.#text += line;
    this.#textLines++;
    this.#bufferedBytes += line.length;
    this.#armFlush();
  }

  /** For log rotation: what is not yet written goes to a newly opened file. The old one stays in use when that fails. */
  reopen(): void {
    this.#seal();
    if (this.#isWriting) this.#mustReopen = true;
    else this.#reopenNow();
  }

  /** Resolves when everything so far is written or given up, or after `timeoutMs`. */
  flush(timeoutMs = 1000): Promise<void> {
    this.#seal();
    return new Promise((resolve) => {
      const deadline = setTimeout(resolve, timeoutMs);
      this.#waiting.push(() => {
        clearTimeout(deadline);
        resolve();
      });
      this.#pump();
    });
  }

  /** Last resort in an `exit` handler: tries once, without waiting for a slow reader. */
  flushSync(): void {
    this.#seal();
    if (this.#isWriting) return;
    try {
      for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
        chunk.written += writeSync(this.#destination.fd, chunk.bytes, chunk.written);
        if (chunk.written === chunk.bytes.length) this.#remove(chunk, true);
      }
    } catch {
      this.#dropAll();
    }
  }

  /** Flushes, then drops whatever comes or remains. */
  async close(timeoutMs = 1000): Promise<void> {
    await this.flush(timeoutMs);
    this.#isClosed = true;
    this.#clearSchedule();
    // A write that hangs in the thread pool still owns the descriptor.
    if (!this.#isWriting) this.#destination.close();
    this.#dropAll();
  }

  #armFlush(): void {
    this.#timer ??= setTimeout(() => this.#onTimer(), FLUSH_DELAY_MS).unref();
  }

  #onTimer(): void {
    this.#timer = null;
    this.#seal();
    this.#pump();
  }

  #seal(): void {
    if (this.#text === "") return;
    this.#chunks.push({ bytes: Buffer.from(this.#text, "latin1"), lines: this.#textLines, written: 0 });
    this.#text = "";
    this.#textLines = 0;
  }

  #pump(): void {
    this.#clearSchedule();
    this.#isPaused = false;
    if (this.#isWriting || this.#isClosed) return;
    while (this.#chunks.length > 0) {
      const chunk = this.#chunks[0] as Chunk;
      if (!this.#destination.isNonBlocking) return this.#writeLater(chunk);
      if (!this.#writeNow(chunk)) return;
    }
    // Lines that came after the chunk was sealed still wait for a flush of their own.
    if (this.#text !== "") this.#armFlush();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #writeNow(chunk: Chunk): boolean {
    try {
      this.#onWritten(chunk, writeSync(this.#destination.fd, chunk.bytes, chunk.written));
      return true;
    } catch (error) {
      this.#onError(chunk, error as NodeJS.ErrnoException);
      return false;
    }
  }

  #writeLater(chunk: Chunk): void {
    this.#isWriting = true;
    write(this.#destination.fd, chunk.bytes, chunk.written, (error, count) => {
      this.#isWriting = false;
      if (error === null) this.#onWritten(chunk, count);
      else this.#onError(chunk, error);
      if (this.#mustReopen) this.#reopenNow();
      if (error === null) this.#pump();
    });
  }

  #onWritten(chunk: Chunk, count: number): void {
    chunk.written += count;
    if (chunk.written < chunk.bytes.length) return;
    this.#isFailing = false;
    this.#remove(chunk, true);
  }

  #onError(chunk: Chunk, error: NodeJS.ErrnoException): void {
    if (error.code === "EAGAIN") {
      this.#retryAfter(RETRY_FULL_MS);
      return;
    }
    this.#remove(chunk, false);
    // A line may have been cut in the middle: the next chunk must not continue it.
    if (chunk.written > 0) this.#chunks.unshift({ bytes: Buffer.from("\n"), lines: 0, written: 0 });
    if (!this.#isFailing) this.#onProblem(error);
    this.#isFailing = true;
    this.#retryAfter(RETRY_FAILED_MS);
  }

  #retryAfter(delayMs: number): void {
    this.#clearSchedule();
    this.#isPaused = true;
    this.#timer = setTimeout(() => this.#onTimer(), delayMs).unref();
  }

  #remove(chunk: Chunk, isWritten: boolean): void {
    this.#chunks.shift();
    this.#bufferedBytes = Math.max(0, this.#bufferedBytes - chunk.bytes.length);
    if (isWritten) this.#writtenLines += chunk.lines;
    else this.#droppedLines += chunk.lines;
  }

  #reopenNow(): void {
    this.#mustReopen = false;
    if (this.#isClosed) return;
    try {
      const next = openLogDestination(this.#path, this.#stdoutFd);
      this.#destination.close();
      this.#destination = next;
    } catch (error) {
      this.#onProblem(error as Error);
    }
  }

  #dropAll(): void {
    this.#seal();
    for (const chunk of this.#chunks) this.#droppedLines += chunk.lines;
    this.#chunks.length = 0;
    this.#bufferedBytes = 0;
  }

  #clearSchedule(): void {
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#immediate = null;
    this.#timer = null;
  }
}
