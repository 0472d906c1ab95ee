/** Splits the traffic of a route among its backends by weight. */

/**
 * @param random 0 ≤ random < 1
 * @returns index of the chosen backend; -1 when no backend has weight
 */
export function chooseBackend(backends: readonly { readonly weight: number }[], random: number): number {
  let total = 0;
  for (const backend of backends) total += backend.weight;
  let rest = random * total;
  let chosen = -1;
  for (let i = 0; i < backends.length; i++) {
    const weight = (backends[i] as { readonly weight: number }).weight;
    if (weight <= 0) continue;
    // Remembered before the comparison: rounding must not let the last one fall through.
    chosen = i;
    if (rest < weight) break;
    rest -= weight;
  }
  return chosen;
}
