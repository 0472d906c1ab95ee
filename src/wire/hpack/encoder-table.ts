/**
 * The dynamic table of an encoder (RFC 7541 §2.3.2, §4) with what finding an entry takes: the newest one per name, and from
 * each the next older one of its name. It learns from its own hits which names repeat their values.
 */
import { FIELD_OVERHEAD_BYTES, STATIC_COUNT } from "./static-table.js";

const MIN_SLOTS = 8;
const NONE = -1;
/** How many entries of one name are compared: names with many values are not worth a long search. */
const MAX_COMPARED = 8;
/** Longer values are not remembered for a second sight: nothing outside the table's own size may grow with them. */
const MAX_CANDIDATE_BYTES = 256;

export class EncoderTable {
  /** The ring: an entry lies at its number modulo the slots. */
  #names: string[] = [];
  #values: string[] = [];
  /** Number of the next older entry of the same name. */
  #older: number[] = [];
  #isUsed: boolean[] = [];
  /** The value that was sent last with the entry's name and did not get an entry. */
  #candidates: string[] = [];
  readonly #newest = new Map<string, number>();
  #inserted = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  /** What the last `find` found of the name alone. */
  #sameName = NONE;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** The index of an entry equal to the field, or 0. */
  find(name: string, value: string): number {
    const newest = this.#newest.get(name) ?? NONE;
    this.#sameName = newest;
    const oldest = this.#inserted - this.#count;
    let number = newest;
    for (let compared = 0; number >= oldest && number !== NONE && compared < MAX_COMPARED; compared++) {
      const slot = this.#slotOf(number);
      if (this.#values[slot] === value) {
        this.#isUsed[slot] = true;
        return this.#indexOf(number);
      }
      number = this.#older[slot] as number;
    }
    return 0;
  }

  /** After `find`: the index of an entry with this name, or 0. */
  nameIndex(): number {
    return this.#sameName === NONE ? 0 : this.#indexOf(this.#sameName);
  }

  /**
   * After `find`: whether the field deserves an entry. The first value of a name does; a further one does when the newest
   * entry of the name has been of use, or when the value comes twice running. So a name whose values never repeat (a
   * request id) holds one entry, which spares its name, and a date gets a new entry each second if it is sent often.
   */
  isWorthInserting(name: string, value: string): boolean {
    if (2 * (name.length + value.length + FIELD_OVERHEAD_BYTES) > this.#maxBytes) return false;
    if (this.#sameName === NONE) return true;
    const slot = this.#slotOf(this.#sameName);
    if (this.#isUsed[slot] || this.#candidates[slot] === value) return true;
    if (value.length <= MAX_CANDIDATE_BYTES) this.#candidates[slot] = value;
    return false;
  }

  /** The entry must fit into the table. */
  insert(name: string, value: string): void {
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.#evictDownTo(this.#maxBytes - size);
    if (this.#count === this.#names.length) this.#grow();
    const slot = this.#slotOf(this.#inserted);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#older[slot] = this.#newest.get(name) ?? NONE;
    this.#isUsed[slot] = false;
    this.#candidates[slot] = "";
    this.#newest.set(name, this.#inserted);
    this.#inserted++;
    this.#count++;
    this.#bytes += size;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictDownTo(maxBytes);
  }

  #evictDownTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const number = this.#inserted - this.#count;
      const slot = this.#slotOf(number);
      const name = this.#names[slot] as string;
      this.#bytes -= name.length + (this.#values[slot] as string).length + FIELD_OVERHEAD_BYTES;
      if (this.#newest.get(name) === number) this.#newest.delete(name);
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.#candidates[slot] = "";
      this.#count--;
    }
  }

  #slotOf(number: number): number {
    return number & (this.#names.length - 1);
  }

  #indexOf(number: number): number {
    return STATIC_COUNT + this.#inserted - number;
  }

  #grow(): void {
    const [from, to] = [this.#names.length, Math.max(2 * this.#names.length, MIN_SLOTS)];
    this.#names = this.#spread(this.#names, from, new Array<string>(to).fill(""));
    this.#values = this.#spread(this.#values, from, new Array<string>(to).fill(""));
    this.#older = this.#spread(this.#older, from, new Array<number>(to).fill(NONE));
    this.#isUsed = this.#spread(this.#isUsed, from, new Array<boolean>(to).fill(false));
    this.#candidates = this.#spread(this.#candidates, from, new Array<string>(to).fill(""));
  }

  #spread<T>(old: readonly T[], slots: number, wider: T[]): T[] {
    for (let number = this.#inserted - this.#count; number < this.#inserted; number++) {
      wider[number & (wider.length - 1)] = old[number & (slots - 1)] as T;
    }
    return wider;
  }
}
