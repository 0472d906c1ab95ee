/** Waiting for streams without leaving listeners behind. */
import type { Writable } from "node:stream";

/** Resolves when more may be written, or when nothing can be written any more. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
