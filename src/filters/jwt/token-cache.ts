/**
 * Remembers what became of tokens, within a bound on entries and bytes. Two generations: what is not asked for again
 * until the younger one is full is dropped with the older one. A hit is one Map lookup.
 */

export interface TokenCacheBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Map entry, result object and bookkeeping, roughly. */
const ENTRY_BYTES = 256;

export class TokenCache<T> {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(bounds: TokenCacheBounds) {
    // Half for each generation, so that the bound holds for both together.
    this.#maxEntries = Math.max(1, Math.floor(bounds.maxEntries / 2));
    this.#maxBytes = bounds.maxBytes / 2;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(token: string): T | undefined {
    const young = this.#young.get(token);
    if (young !== undefined) return young;
    const old = this.#old.get(token);
    if (old !== undefined) {
      this.delete(token);
      this.set(token, old);
    }
    return old;
  }

  set(token: string, value: T): void {
    this.delete(token);
    const bytes = bytesOf(token);
    if (bytes > this.#maxBytes) return;
    if (this.#young.size >= this.#maxEntries || this.#youngBytes + bytes > this.#maxBytes) this.#age();
    this.#young.set(token, value);
    this.#youngBytes += bytes;
  }

  delete(token: string): void {
    if (this.#young.delete(token)) this.#youngBytes -= bytesOf(token);
    else if (this.#old.delete(token)) this.#oldBytes -= bytesOf(token);
  }

  clear(): void {
    this.#age();
    this.#age();
  }

  #age(): void {
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

/** The token itself and the claims parsed from it, which are about as large. */
function bytesOf(token: string): number {
  return token.length * 3 + ENTRY_BYTES;
}
