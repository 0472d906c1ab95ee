/** Log lines about what strangers do: they must tell operators of an attack or a mistake without becoming the attack. */

const PAUSE_MS = 10_000;

/** @param write is called at most once in ten seconds; `others` were left out since the last time */
export function createNoticeLog(write: (message: string, address: string, others: number) => void, now: () => number) {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  let others = 0;
  return (message: string, address: string): void => {
    const nowMs = now();
    if (nowMs < quietUntilMs) {
      others++;
      return;
    }
    quietUntilMs = nowMs + PAUSE_MS;
    write(message, address, others);
    others = 0;
  };
}
