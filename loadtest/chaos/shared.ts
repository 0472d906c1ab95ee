/** What processes of the test must agree on. */

/** Milliseconds since 1970, with fractions. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

const BODY_LENGTH = 10;

/** The answer to a request with this number: an answer to another one would be noticed. */
export function bodyOf(number: string): string {
  return number.padStart(BODY_LENGTH, "0");
}
