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
/** Tokens are told apart by their ends, parts of their signatures; hashing all of a fresh string costs a microsecond. */
const KEY_CHARS = 32;

interface Entry<T> {
  readonly token: string;
  readonly value: T;
}

export class TokenCache<T> {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #young = new Map<string, Entry<T>>();
  #old = new Map<string, Entry<T>>();
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
    const key = keyOf(token);
    const young = this.#young.get(key);
    if (young !== undefined && young.token === token) return young.value;
    const old = this.#old.get(key);
    if (old === undefined || old.token !== token) return undefined;
    this.set(token, old.value);
    return old.value;
  }

  /** Takes the place of a token with the same end, if there is one: each is verified again when the other was asked for last. */
  set(token: string, value: T): void {
    const key = keyOf(token);
    this.#remove(key);
    const bytes = bytesOf(token);
    if (bytes > this.#maxBytes) return;
    if (this.#young.size >= this.#maxEntries || this.#youngBytes + bytes > this.#maxBytes) this.#age();
    this.#young.set(key, { token, value });
    this.#youngBytes += bytes;
  }

  delete(token: string): void {
    const key = keyOf(token);
    const entry = this.#young.get(key) ?? this.#old.get(key);
    if (entry?.token === token) this.#remove(key);
  }

  #remove(key: string): void {
    const young = this.#young.get(key);
    if (young !== undefined) this.#youngBytes -= bytesOf(young.token);
    this.#young.delete(key);
    const old = this.#old.get(key);
    if (old !== undefined) this.#oldBytes -= bytesOf(old.token);
    this.#old.delete(key);
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

function keyOf(token: string): string {
  return token.length <= KEY_CHARS ? token : token.slice(-KEY_CHARS);
}

/** The token itself and the claims parsed from it, which are about as large. */
function bytesOf(token: string): number {
  return token.length * 3 + ENTRY_BYTES;
}
