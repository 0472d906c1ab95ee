/**
 * A service that answers early and closes resets the connection while we still write. Its answer has arrived by then, but a
 * socket of Node is destroyed by the first write that fails, with all that was not read yet. So a failed write passes for
 * a good one, and its error is reported: the end of the connection shows when reading gets there.
 */
import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

export function reportFailedWrites(socket: Socket, onFailed: (error: Error) => void): void {
  const { _write, _writev } = socket;
  const guarded = (done: Done): Done => {
    return (error) => {
      if (error === null || error === undefined || !isWriteError(error)) return done(error);
      onFailed(error);
      done();
    };
  };
  socket._write = (chunk, encoding, done) => _write.call(socket, chunk, encoding, guarded(done));
  if (_writev !== undefined) socket._writev = (chunks, done) => _writev.call(socket, chunks, guarded(done));
}

function isWriteError(error: NodeJS.ErrnoException): boolean {
  return error.syscall === "write";
}
