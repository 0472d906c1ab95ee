/**
 * SIGTERM and SIGINT: the first one drains, a later one ends everything at once. One Ctrl-C may arrive twice, because the
 * terminal sends it to every process of the group and npm passes it on once more; the echo counts for nothing.
 */
import { constants } from "node:os";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;
const ECHO_WINDOW_MS = 1_000;

export interface StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  /** What has to be done at once before the process exits. */
  onForce(act: () => void): void;
  unwatch(): void;
}

export function watchStopSignals(): StopSignals {
  let firstAtMs = 0;
  let force = (): void => {};
  let stop: (signal: NodeJS.Signals) => void = () => {};
  const first = new Promise<NodeJS.Signals>((resolve) => {
    stop = resolve;
  });
  const receive = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (firstAtMs === 0) {
      firstAtMs = nowMs;
      stop(signal);
    } else if (nowMs - firstAtMs > ECHO_WINDOW_MS) {
      force();
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of STOP_SIGNALS) process.on(signal, receive);
  return {
    first,
    onForce(act) {
      force = act;
    },
    unwatch() {
      for (const signal of STOP_SIGNALS) process.off(signal, receive);
    },
  };
}
