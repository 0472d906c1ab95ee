/** Frame types (RFC 6455 §11.8). From 8 on they are control frames: short, never fragmented, allowed between the fragments of a message. */
export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export function isControl(opcode: number): boolean {
  return opcode >= CLOSE;
}

export function isKnownOpcode(opcode: number): boolean {
  return opcode <= BINARY || (opcode >= CLOSE && opcode <= PONG);
}
