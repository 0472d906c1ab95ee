/** Counts of what happened, by kind and outcome, and the first wrong answers in detail. */

export interface WrongAnswer {
  readonly atSeconds: number;
  readonly kind: string;
  readonly request: string;
  readonly why: string;
}

export interface TallyReport {
  /** Exchanges that ended, whatever way. */
  readonly requests: number;
  /** Whole answers by status, and other outcomes by name. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly kinds: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly wrongCount: number;
  readonly wrong: readonly WrongAnswer[];
  readonly bodyBytes: number;
}

const MAX_DETAILS = 100;

export class Tally {
  readonly #startedAt = performance.now();
  readonly #kinds: Record<string, Record<string, number>> = {};
  readonly #outcomes: Record<string, number> = {};
  readonly #wrong: WrongAnswer[] = [];
  #requests = 0;
  #wrongCount = 0;
  #bodyBytes = 0;

  count(kind: string, outcome: string, bytes = 0): void {
    this.#requests++;
    this.#bodyBytes += bytes;
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    this.#kinds[kind] ??= {};
    const outcomes = this.#kinds[kind];
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }

  wrong(kind: string, request: string, why: string): void {
    this.#wrongCount++;
    if (this.#wrong.length >= MAX_DETAILS) return;
    const atSeconds = Math.round((performance.now() - this.#startedAt) / 100) / 10;
    this.#wrong.push({ atSeconds, kind, request, why });
  }

  report(): TallyReport {
    return {
      requests: this.#requests,
      outcomes: this.#outcomes,
      kinds: this.#kinds,
      wrongCount: this.#wrongCount,
      wrong: this.#wrong,
      bodyBytes: this.#bodyBytes,
    };
  }
}
