/**
 * Requests leave at the end of the turn of the loop, all in a row. Were each written while others are still being read, a
 * service that is faster than we are would be woken for every one of them, and waking costs as much as sending.
 */

export interface HeldWrite {
  flush(): void;
}

let held: HeldWrite[] = [];

export function writeAtTurnEnd(write: HeldWrite): void {
  if (held.length === 0) setImmediate(writeAll);
  held.push(write);
}

function writeAll(): void {
  const writes = held;
  held = [];
  for (const write of writes) write.flush();
}
