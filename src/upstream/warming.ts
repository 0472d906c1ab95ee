/**
 * Connections that are opened ahead of requests. What becomes of each is told once, and that is all: nobody waits for it, so nobody's
 * request fails for it.
 */

/** @param isOpen false: it could not be opened */
export type WarmResult = (isOpen: boolean) => void;

export class Warming<Connection> {
  readonly #results = new Map<Connection, WarmResult>();

  /**
   * Opens until `isEnough`.
   * @param open null: one could not even be begun @returns how many will be told of, in later turns
   */
  fill(isEnough: () => boolean, open: () => Connection | null, result: WarmResult): number {
    for (let begun = 0; ; begun++) {
      if (isEnough()) return begun;
      const connection = open();
      if (connection === null) {
        setImmediate(result, false);
        return begun + 1;
      }
      this.#results.set(connection, result);
    }
  }

  /** Of any connection, when it is open or closed. */
  settle(connection: Connection, isOpen: boolean): void {
    if (this.#results.size === 0) return;
    const result = this.#results.get(connection);
    this.#results.delete(connection);
    result?.(isOpen);
  }
}
