/** When a draining worker may end. */
import type { UwsListener } from "../listeners/uws/listener.js";
import type { Gateway } from "../proxy/gateway.js";

const POLL_MS = 20;
/** How long clients may take to read the end of their answers, or to leave, once no exchange is under way. */
const LINGER_MS = 1_000;

/** Resolves when no exchange is under way and clients have left or had a moment for it, or after the time given. */
export function untilQuiet(gateway: Gateway, listeners: readonly UwsListener[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let busyAt = performance.now();
  const isQuiet = (now: number): boolean => {
    const isBusy = gateway.active > 0 || listeners.some((listener) => listener.pendingResponses > 0);
    if (isBusy) busyAt = now;
    return !isBusy && (listeners.every((listener) => listener.connections === 0) || now - busyAt >= LINGER_MS);
  };
  return new Promise((resolve) => {
    const poll = (): void => {
      const now = performance.now();
      if (now >= deadline || isQuiet(now)) resolve();
      else setTimeout(poll, POLL_MS);
    };
    poll();
  });
}
