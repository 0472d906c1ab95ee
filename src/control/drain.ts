/** When a draining worker may end, and how its WebSockets are told to. */
import type { Gateway } from "../proxy/gateway.js";
import type { GatewayListener } from "./gateway-listener.js";

const POLL_MS = 20;
/** How long clients may take to read the end of their answers, or to leave, once no exchange is under way. */
const LINGER_MS = 1_000;

/** As many WebSockets may be told to go at each look; more only when there are so many that half the time would not do. */
const MIN_CLOSED_AT_ONCE = 50;

export interface DrainTime {
  readonly timeoutMs: number;
  /** Somebody else serves here, so WebSockets may stay for half of the time; asked at every look. */
  readonly isPatient: () => boolean;
}

/** Resolves when no exchange is under way and clients have left or had a moment for it, or after the time given. */
export function untilQuiet(gateway: Gateway, listeners: readonly GatewayListener[], { timeoutMs, isPatient }: DrainTime): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let busyAt = performance.now();
  const isQuiet = (now: number): boolean => {
    const isBusy = gateway.active > 0 || listeners.some((listener) => listener.pendingResponses > 0);
    if (isBusy) busyAt = now;
    return !isBusy && (listeners.every((listener) => listener.connections === 0) || now - busyAt >= LINGER_MS);
  };
  const halfTime = performance.now() + timeoutMs / 2;
  const closeDue = (now: number): void => {
    if (!isPatient()) closeSome(gateway, looksUntil(halfTime, now));
    else if (now >= halfTime) closeSome(gateway, looksUntil(halfTime + timeoutMs / 4, now));
  };
  return new Promise((resolve) => {
    const poll = (): void => {
      const now = performance.now();
      closeDue(now);
      if (now >= deadline || isQuiet(now)) resolve();
      else setTimeout(poll, POLL_MS);
    };
    poll();
  });
}

function looksUntil(end: number, now: number): number {
  return Math.max(1, (end - now) / POLL_MS);
}

/** Their clients come back at once, to other gateways: over half of the drain, not all in the same moment. */
function closeSome(gateway: Gateway, looksLeft: number): void {
  let left = Math.max(MIN_CLOSED_AT_ONCE, Math.ceil(gateway.webSockets.size / looksLeft));
  for (const relay of gateway.webSockets) {
    if (left-- === 0) return;
    relay.close("draining", "the gateway is stopping");
  }
}
