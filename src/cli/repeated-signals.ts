/**
 * One Ctrl-C may arrive twice: the terminal sends it to every process of the group, and npm passes it on once more. The
 * gateway drains on the first and lets a second end it at once, so the echo has to be swallowed.
 */

const ECHO_WINDOW_MS = 1_000;

/** To be called just before somebody handles the signals; alone it would swallow the first one, too. */
export function swallowRepeatedSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const swallow = (): void => {
      setTimeout(() => process.off(signal, swallow), ECHO_WINDOW_MS).unref();
    };
    process.on(signal, swallow);
  }
}
