/**
 * Hands what a socket reads straight to its receiver. A Readable would queue each read, emit it, and look in a later tick
 * whether it should read on: some 4 % of a small request. The end of the stream goes the usual way.
 *
 * Pausing takes effect with the next read, which is still delivered, and with TLS so is whatever has been decrypted with it.
 */
import type { Socket } from "node:net";

/** From now on `socket.pause`, `resume` and `isPaused` mean the reads that come to `onBytes`. */
export function readDirectly(socket: Socket, onBytes: (bytes: Buffer) => void): void {
  let isPaused = false;
  const { push } = socket;
  // Node stops reading when it returns false, and reads on when `_read` is called.
  socket.push = (chunk: Buffer | null): boolean => {
    if (chunk === null) return push.call(socket, null);
    onBytes(chunk);
    return !isPaused;
  };
  socket.pause = () => {
    isPaused = true;
    return socket;
  };
  socket.resume = () => {
    isPaused = false;
    socket._read(0);
    return socket;
  };
  socket.isPaused = () => isPaused;
  for (let bytes = socket.read(); bytes !== null; bytes = socket.read()) onBytes(bytes);
  if (!socket.isPaused()) socket._read(0);
}
