/** Bounded memory of what has been decided: two generations, of which the older is forgotten when the younger is full. */

/** Of one generation; a log with more distinct requests than two of them is decided more often, never wrongly. */
const MAX_ENTRIES = 100_000;
/** Longer ones are rare and would make the bound worth little. */
const MAX_KEY_CHARS = 2_048;

export class DecisionCache<T> {
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  get(key: string): T | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: T): void {
    if (key.length > MAX_KEY_CHARS) return;
    if (this.#young.size >= MAX_ENTRIES) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
