/** A histogram as plain cells: observing is a short scan and two additions, nothing is allocated. */

/** Bounds that OpenTelemetry recommends for HTTP durations, with two finer ones: a gateway's own share is below 5 ms. */
export const DURATION_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

const SUM = DURATION_BOUNDS.length + 1;

export class DurationHistogram {
  /** Count of each bucket (not cumulative, +Inf last), then the sum in seconds: the numbers of a MetricRow. */
  readonly #cells = new Array<number>(SUM + 1).fill(0);
  #count = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[bucket] as number)) bucket++;
    this.#cells[bucket] = (this.#cells[bucket] as number) + 1;
    this.#cells[SUM] = (this.#cells[SUM] as number) + seconds;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  numbers(): number[] {
    return this.#cells.slice();
  }
}
