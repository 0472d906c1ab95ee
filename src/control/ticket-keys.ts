/**
 * The keys that seal TLS session tickets, made by the primary so that every worker resumes what any of them has begun. Node
 * takes one key at a time, so a rotation costs the sessions of the last minutes (they live five) a full handshake: seldom
 * enough not to matter, often enough that a stolen key opens half a day at most.
 */
import { randomBytes } from "node:crypto";

const ROTATION_MS = 12 * 60 * 60 * 1000;
/** Name, HMAC key and AES key (tls.Server#setTicketKeys). */
const KEY_BYTES = 48;

export interface TicketKeys {
  /** Base64. Secret. */
  readonly current: string;
  stop(): void;
}

export function createTicketKeys(onRotate: (keys: string) => void): TicketKeys {
  let current = makeKeys();
  const timer = setInterval(() => {
    current = makeKeys();
    onRotate(current);
  }, ROTATION_MS);
  timer.unref();
  return {
    get current() {
      return current;
    },
    stop: () => clearInterval(timer),
  };
}

function makeKeys(): string {
  return randomBytes(KEY_BYTES).toString("base64");
}
