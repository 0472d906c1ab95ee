/** What the services have seen: attempts by request, and whatever a gateway must never do to a service. */

const GENERATION_MS = 60_000;
const MAX_VIOLATIONS = 50;

export class Ledger {
  readonly violations: string[] = [];
  violationCount = 0;
  requests = 0;
  /** Two generations, so that a long run does not remember everything. */
  #recent = new Map<string, number>();
  #older = new Map<string, number>();

  constructor() {
    setInterval(() => this.#forget(), GENERATION_MS).unref();
  }

  /** Counts an attempt at the request and returns its number, from 1. */
  attempt(id: string): number {
    const attempt = (this.#recent.get(id) ?? this.#older.get(id) ?? 0) + 1;
    this.#recent.set(id, attempt);
    this.requests++;
    return attempt;
  }

  violation(text: string): void {
    this.violationCount++;
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(text);
  }

  #forget(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
  }
}
