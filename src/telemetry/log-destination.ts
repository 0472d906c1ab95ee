/**
 * Opens where log lines go, and says how to write there. Pipes and terminals are reopened non-blocking under a descriptor of
 * our own: a reader that stalls must neither block a worker nor change the flags of a descriptor shared with other
 * processes. Where that is impossible (sockets, foreign owners) writes go through the thread pool.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { isatty } from "node:tty";
import { MAX_LINE_BYTES } from "./access-log-line.js";

export interface LogDestination {
  readonly fd: number;
  /** A write returns at once, with EAGAIN when there is no room: it may be done on the event loop. */
  readonly isNonBlocking: boolean;
  /** Longest write that cannot be interleaved with those of other processes. */
  readonly chunkBytes: number;
  close(): void;
}

const FILE_CHUNK_BYTES = 64 * 1024;

/**
 * Throws what `open` throws.
 * @param path `stdout`, `stderr` or a file, which is created when missing
 * @param stdoutFd where the process was given the standard output of its family
 */
export function openLogDestination(path: string, stdoutFd: number): LogDestination {
  if (path === "stdout") return openStandard(stdoutFd);
  if (path === "stderr") return openStandard(2);
  // O_NONBLOCK only concerns named pipes: without it the open would wait for a reader.
  const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o640);
  return owned(fd, fstatSync(fd).isFIFO());
}

function openStandard(fd: number): LogDestination {
  const stats = fstatSync(fd);
  const isStream = stats.isFIFO() || stats.isSocket() || isatty(fd);
  if (stats.isFIFO() || isatty(fd)) {
    try {
      return owned(openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK), true);
    } catch {
      // No /proc, or the pipe belongs to another user: the shared descriptor must do.
    }
  }
  return { fd, isNonBlocking: false, chunkBytes: isStream ? MAX_LINE_BYTES : FILE_CHUNK_BYTES, close: () => undefined };
}

function owned(fd: number, isNonBlocking: boolean): LogDestination {
  return { fd, isNonBlocking, chunkBytes: isNonBlocking ? MAX_LINE_BYTES : FILE_CHUNK_BYTES, close: () => closeSync(fd) };
}
