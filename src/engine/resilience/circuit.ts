/**
 * A circuit breaker: closed while enough requests of a window succeed, open for a fixed time when too few do, then half
 * open for a few probes that decide. Immutable, total, and without a clock. A probe of which nothing is ever heard (its
 * client left) must not keep the circuit half open for good: after the time of one opening there is another batch.
 */
import type { BreakerSpec } from "../model/snapshot.js";

export type Circuit =
  | { readonly state: "closed"; readonly requests: number; readonly failures: number; readonly windowEndsAt: number }
  | { readonly state: "open"; readonly until: number; readonly failurePercent: number }
  | { readonly state: "halfOpen"; readonly probes: number; readonly successes: number; readonly probedAt: number };

/** The window begins with the first result. */
export const CLOSED: Circuit = Object.freeze({ state: "closed", requests: 0, failures: 0, windowEndsAt: 0 });

/** Asks for one request; null: refused. Closed circuits stay as they are. */
export function admit(circuit: Circuit, { openMs, halfOpenRequests }: BreakerSpec, now: number): Circuit | null {
  switch (circuit.state) {
    case "closed":
      return circuit;
    case "open":
      return now < circuit.until ? null : { state: "halfOpen", probes: 1, successes: 0, probedAt: now };
    case "halfOpen":
      if (circuit.probes < halfOpenRequests) return { ...circuit, probes: circuit.probes + 1, probedAt: now };
      return now < circuit.probedAt + openMs ? null : { state: "halfOpen", probes: 1, successes: 0, probedAt: now };
  }
}

export function afterSuccess(circuit: Circuit, spec: BreakerSpec, now: number): Circuit {
  switch (circuit.state) {
    case "closed":
      return counted(circuit, spec, { failures: 0, now });
    case "open":
      return circuit;
    case "halfOpen":
      return circuit.successes + 1 >= spec.halfOpenRequests ? CLOSED : { ...circuit, successes: circuit.successes + 1 };
  }
}

export function afterFailure(circuit: Circuit, spec: BreakerSpec, now: number): Circuit {
  switch (circuit.state) {
    case "closed": {
      const { requests, failures, windowEndsAt } = counted(circuit, spec, { failures: 1, now });
      const isTooMany = requests >= spec.minimumRequests && failures * 100 >= requests * spec.failurePercent;
      return isTooMany ? opened(spec, now, (failures * 100) / requests) : { state: "closed", requests, failures, windowEndsAt };
    }
    case "open":
      return circuit;
    case "halfOpen":
      return opened(spec, now, 100);
  }
}

function opened({ openMs }: BreakerSpec, now: number, failurePercent: number): Circuit {
  return { state: "open", until: now + openMs, failurePercent };
}

type Closed = Extract<Circuit, { readonly state: "closed" }>;

function counted(
  circuit: Closed,
  { windowMs }: BreakerSpec,
  { failures, now }: { readonly failures: number; readonly now: number },
): Closed {
  if (now >= circuit.windowEndsAt) return { state: "closed", requests: 1, failures, windowEndsAt: now + windowMs };
  const { requests, windowEndsAt } = circuit;
  return { state: "closed", requests: requests + 1, failures: circuit.failures + failures, windowEndsAt };
}

/** There is reason to try before an opening is over: the next request is a probe. */
export function probed(circuit: Circuit, now: number): Circuit {
  return circuit.state === "open" ? { ...circuit, until: Math.min(circuit.until, now) } : circuit;
}

/** Until when it takes nothing, if nothing is heard until then; 0: it takes requests. */
export function heldUntil(circuit: Circuit, { openMs, halfOpenRequests }: BreakerSpec): number {
  switch (circuit.state) {
    case "closed":
      return 0;
    case "open":
      return circuit.until;
    case "halfOpen":
      return circuit.probes < halfOpenRequests ? 0 : circuit.probedAt + openMs;
  }
}

/** For people; null: nothing to tell. */
export function describeCircuit(circuit: Circuit, now: number): string | null {
  switch (circuit.state) {
    case "closed":
      return null;
    case "open":
      if (now >= circuit.until) return "circuit open, the next request is a probe";
      return `circuit open, ${Math.round(circuit.failurePercent)} % failed`;
    case "halfOpen":
      return `circuit half open, ${circuit.successes} of ${circuit.probes} probes succeeded`;
  }
}
