/**
 * Whose turn is due first: a binary heap of turns of different lengths (earliest deadline first). A turn is taken in the
 * time of a search, whatever the number of endpoints.
 */

export class TurnHeap {
  /** Indexes of endpoints; the parent of place p is at (p - 1) >> 1. */
  readonly #heap: Uint32Array;
  /** By index: when its next turn is due, and how long its turns are. Time passes by one per endpoint and turn of all. */
  readonly #due: Float64Array;
  readonly #length: Float64Array;

  /**
   * @param weights each above 0, at least one; read once
   * @param phases how many of its turns are left until each one's first turn, 0…1: what spreads equal weights
   */
  constructor(weights: Float64Array, phases: Float64Array) {
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    this.#length = weights.map((weight) => mean / weight);
    this.#due = this.#length.map((length, index) => length * (phases[index] as number));
    this.#heap = Uint32Array.from(weights, (_, index) => index);
    this.#order();
  }

  /** Starts elsewhere in the sequence: all phases are moved by `part` of a turn, 0…1. */
  shift(part: number): void {
    const start = this.#earliest();
    for (let i = 0; i < this.#due.length; i++) {
      const length = this.#length[i] as number;
      const phase = ((this.#due[i] as number) - start) / length + part;
      this.#due[i] = start + (phase >= 1 ? phase - 1 : phase) * length;
    }
    this.#order();
  }

  phaseOf(index: number): number {
    return Math.min(((this.#due[index] as number) - this.#earliest()) / (this.#length[index] as number), 1);
  }

  /** @returns the index whose turn it is */
  take(): number {
    const index = this.#heap[0] as number;
    this.#due[index] = (this.#due[index] as number) + (this.#length[index] as number);
    this.#sink(0);
    return index;
  }

  /** As `take`, among some of them, at least one; the others keep their turns. */
  takeOf(isCandidate: (index: number) => boolean): number {
    let place = -1;
    for (let p = 0; p < this.#heap.length; p++) {
      if (isCandidate(this.#heap[p] as number) && (place === -1 || this.#isBefore(p, place))) place = p;
    }
    const index = this.#heap[place] as number;
    this.#due[index] = (this.#due[index] as number) + (this.#length[index] as number);
    this.#sink(place);
    return index;
  }

  #earliest(): number {
    return this.#due[this.#heap[0] as number] as number;
  }

  #order(): void {
    for (let place = (this.#heap.length >> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) return;
      if (child + 1 < heap.length && this.#isBefore(child + 1, child)) child++;
      if (!this.#isBefore(child, place)) return;
      const index = heap[place] as number;
      heap[place] = heap[child] as number;
      heap[child] = index;
      place = child;
    }
  }

  /** Of turns that are due at once, the first in the list comes first. */
  #isBefore(one: number, other: number): boolean {
    const a = this.#heap[one] as number;
    const b = this.#heap[other] as number;
    const difference = (this.#due[a] as number) - (this.#due[b] as number);
    return difference < 0 || (difference === 0 && a < b);
  }
}
