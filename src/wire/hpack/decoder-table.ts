/**
 * The dynamic table of a decoder (RFC 7541 §2.3.2, §4): a ring that grows with the entries it really holds. Strings are shared
 * with the lists that were read from it, so an entry costs memory once, however often it is referenced.
 */
import { FIELD_OVERHEAD_BYTES } from "./static-table.js";

const MIN_SLOTS = 8;

export class DecoderTable {
  /** Valid for the entries held, by the number of their insertion. */
  #names: string[] = [];
  #values: string[] = [];
  #inserted = 0;
  #bytes = 0;
  #maxBytes: number;
  /** How many entries it holds. */
  count = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** @param age 0 for the newest entry, below `count` */
  nameAt(age: number): string {
    return this.#names[(this.#inserted - 1 - age) & (this.#names.length - 1)] as string;
  }

  valueAt(age: number): string {
    return this.#values[(this.#inserted - 1 - age) & (this.#values.length - 1)] as string;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictDownTo(maxBytes);
  }

  /** RFC 7541 §4.4: an entry larger than the table empties it and is not kept. */
  insert(name: string, value: string): void {
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.#evictDownTo(this.#maxBytes - size);
    if (size > this.#maxBytes) return;
    if (this.count === this.#names.length) this.#grow();
    const slot = this.#inserted & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#inserted++;
    this.count++;
    this.#bytes += size;
  }

  /** What `insert` does with an entry that is too large for the table, whose strings nobody needs. */
  clear(): void {
    this.#evictDownTo(0);
  }

  #evictDownTo(bytes: number): void {
    while (this.#bytes > bytes && this.count > 0) {
      const slot = (this.#inserted - this.count) & (this.#names.length - 1);
      this.#bytes -= (this.#names[slot] as string).length + (this.#values[slot] as string).length + FIELD_OVERHEAD_BYTES;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.count--;
    }
  }

  #grow(): void {
    const slots = Math.max(2 * this.#names.length, MIN_SLOTS);
    const [names, values] = [new Array<string>(slots).fill(""), new Array<string>(slots).fill("")];
    for (let age = 0; age < this.count; age++) {
      const slot = (this.#inserted - 1 - age) & (slots - 1);
      names[slot] = this.nameAt(age);
      values[slot] = this.valueAt(age);
    }
    this.#names = names;
    this.#values = values;
  }
}
