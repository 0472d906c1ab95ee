/**
 * What one worker learns of a service from its attempts, and what follows: endpoints are ejected (outlier.ts) or left alone
 * while their circuit is open (circuit.ts), and requests to a service whose own circuit is open, or that has enough of them
 * under way, are refused. One object per service that survives reloads; what it knows of an endpoint goes with the endpoint.
 */
import type { AttemptFeedback, AttemptResult, Endpoint } from "../model/endpoint.js";
import type { ErrorCode } from "../model/errors.js";
import type { BreakerSpec, OutlierSpec, ServiceSpec } from "../model/snapshot.js";
import { admit, afterFailure, afterSuccess, type Circuit, CLOSED, describeCircuit, heldUntil, probed } from "./circuit.js";
import { GuardCounts } from "./guard-counts.js";
import { type Outcome, outcomeOf } from "./outcome.js";
import {
  acquit,
  createOutlierState,
  describeReason,
  eject,
  isEjected,
  mayEject,
  noteOutcome,
  type OutlierReason,
  type OutlierState,
  successRateReason,
  successRateThreshold,
} from "./outlier.js";

export type GuardSpec = Pick<ServiceSpec, "outlier" | "breakers" | "maxRequests">;

/** Nothing is configured that would need a guard. */
export function isUnguarded({ outlier, breakers, maxRequests }: GuardSpec): boolean {
  return outlier === null && breakers.endpoint === null && breakers.service === null && maxRequests === 0;
}

/** Nothing is to be learnt from attempts. */
export function learnsNothing({ outlier, breakers }: GuardSpec): boolean {
  return outlier === null && breakers.endpoint === null && breakers.service === null;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

interface Known {
  readonly outlier: OutlierState;
  circuit: Circuit;
}

export class ServiceGuard implements AttemptFeedback {
  readonly hearsSuccesses = true;
  readonly counts = new GuardCounts();
  #spec: GuardSpec;
  #circuit: Circuit = CLOSED;
  #sweepAt = 0;
  readonly #known = new WeakMap<Endpoint, Known>();
  #refusal: Refusal | null = null;

  constructor(spec: GuardSpec) {
    this.#spec = spec;
  }

  /** Counts go on; what is switched off is forgotten, what it took out comes back. */
  update(spec: GuardSpec, endpoints: readonly Endpoint[]): void {
    this.#spec = spec;
    if (spec.breakers.service === null) this.#circuit = CLOSED;
    for (const endpoint of endpoints) {
      const known = this.#known.get(endpoint);
      if (known === undefined) continue;
      if (spec.outlier === null) Object.assign(known.outlier, createOutlierState());
      if (spec.breakers.endpoint === null) known.circuit = CLOSED;
      this.#hold(endpoint, known);
    }
  }

  // ── before an attempt ──────────────────────────────────────────────────────────────────────────────────────────

  /** Why `admits` said no, once. */
  takeRefusal(): Refusal | null {
    const refusal = this.#refusal;
    this.#refusal = null;
    return refusal;
  }

  /** Asks for an attempt on an endpoint that was picked; false: see `takeRefusal`. */
  admits(endpoint: Endpoint, now: number): boolean {
    const { breakers, maxRequests } = this.#spec;
    if (maxRequests > 0 && endpoint.set.inFlight >= maxRequests) {
      this.#refusal = OVERFLOW;
      return false;
    }
    if (breakers.service !== null) {
      const circuit = admit(this.#circuit, breakers.service, now);
      if (circuit === null) {
        this.#refusal = CIRCUIT_OPEN;
        return false;
      }
      this.#moveService(circuit);
    }
    if (breakers.endpoint !== null) this.#notePick(endpoint, breakers.endpoint, now);
    return true;
  }

  /** An endpoint that is picked although it is held is asked because too few others are left. */
  #notePick(endpoint: Endpoint, breaker: BreakerSpec, now: number): void {
    const known = this.#known.get(endpoint);
    if (known === undefined || known.circuit.state === "closed") return;
    this.#move(known, admit(known.circuit, breaker, now) ?? known.circuit);
    this.#hold(endpoint, known);
  }

  // ── after it ───────────────────────────────────────────────────────────────────────────────────────────────────

  note(result: AttemptResult): void {
    const outcome = outcomeOf(result);
    const { endpoint, part, now } = result;
    if (outcome === null || endpoint === null || part === "head") return;
    // It has asked for a pause and has been given one: that is an answer, not a fault.
    if (result.retryAfterMs > 0 && endpoint.pausedUntil > now) return;
    const { outlier, breakers } = this.#spec;
    const known = this.#knownOf(endpoint);
    if (breakers.service !== null) this.#moveService(after(this.#circuit, breakers.service, { outcome, now }));
    if (breakers.endpoint !== null) this.#move(known, after(known.circuit, breakers.endpoint, { outcome, now }));
    if (outlier !== null) {
      this.#noteOutlier(endpoint, outlier, { outcome, now });
      if (now >= this.#sweepAt) this.#sweep(endpoint.set.endpoints, outlier, now);
    }
    this.#hold(endpoint, known);
  }

  #moveService(circuit: Circuit): void {
    if (circuit.state !== this.#circuit.state) this.counts.serviceCircuit[circuit.state]++;
    this.#circuit = circuit;
  }

  #move(known: Known, circuit: Circuit): void {
    if (circuit.state !== known.circuit.state) this.counts.endpointCircuits[circuit.state]++;
    known.circuit = circuit;
  }

  /** What comes in of an ejected endpoint was sent before, or because there was no choice. */
  #noteOutlier(endpoint: Endpoint, policy: OutlierSpec, { outcome, now }: Result): void {
    const { outlier } = this.#knownOf(endpoint);
    if (isEjected(outlier, now)) return;
    const reason = noteOutcome(outlier, policy, outcome);
    if (reason !== null) this.#eject(endpoint, policy, { reason, now });
  }

  /**
   * Checks had taken it out and have brought it back: what attempts have shown is about what it was before. A check that is passed
   * without that ends nothing: endpoints whose checks pass while their requests fail would go in and out.
   */
  recovered(endpoint: Endpoint, now: number): void {
    this.#moveService(probed(this.#circuit, now));
    const known = this.#known.get(endpoint);
    if (known === undefined) return;
    acquit(known.outlier, now);
    this.#move(known, probed(known.circuit, now));
    this.#hold(endpoint, known);
  }

  #eject(endpoint: Endpoint, policy: OutlierSpec, occasion: { readonly reason: OutlierReason; readonly now: number }): void {
    const { endpoints } = endpoint.set;
    const ejected = endpoints.filter((other) => this.#isEjected(other, occasion.now)).length;
    if (!mayEject(policy, ejected, endpoints.length)) return;
    const known = this.#knownOf(endpoint);
    eject(known.outlier, policy, occasion);
    this.counts.ejections[occasion.reason.type]++;
    this.#hold(endpoint, known);
  }

  #isEjected(endpoint: Endpoint, now: number): boolean {
    const known = this.#known.get(endpoint);
    return known !== undefined && isEjected(known.outlier, now);
  }

  #sweep(endpoints: readonly Endpoint[], policy: OutlierSpec, now: number): void {
    this.#sweepAt = now + policy.intervalMs;
    const candidates = endpoints.filter((endpoint) => !this.#isEjected(endpoint, now));
    const threshold = successRateThreshold(
      candidates.map((endpoint) => this.#knownOf(endpoint).outlier),
      policy,
    );
    for (const endpoint of candidates) {
      const { outlier } = this.#knownOf(endpoint);
      const reason = threshold === null ? null : successRateReason(outlier, threshold, policy);
      outlier.requests = 0;
      outlier.successes = 0;
      if (reason !== null) this.#eject(endpoint, policy, { reason, now });
    }
  }

  #knownOf(endpoint: Endpoint): Known {
    let known = this.#known.get(endpoint);
    if (known === undefined) {
      known = { outlier: createOutlierState(), circuit: CLOSED };
      this.#known.set(endpoint, known);
    }
    return known;
  }

  #hold(endpoint: Endpoint, { outlier, circuit }: Known): void {
    const { breakers } = this.#spec;
    const held = breakers.endpoint === null ? 0 : heldUntil(circuit, breakers.endpoint);
    const until = Math.max(outlier.ejectedUntil, held);
    if (endpoint.ejectedUntil === until) return;
    endpoint.ejectedUntil = until;
    endpoint.set.touch();
  }

  // ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Why the endpoint is out, or may soon be. */
  reasonsOf(endpoint: Endpoint, now: number): string[] {
    const known = this.#known.get(endpoint);
    if (known === undefined) return [];
    const { outlier, circuit } = known;
    const reasons = isEjected(outlier, now) && outlier.reason !== null ? [describeReason(outlier.reason)] : [];
    const text = describeCircuit(circuit, now);
    return text === null ? reasons : [...reasons, text];
  }

  get circuitState(): Circuit["state"] {
    return this.#circuit.state;
  }

  circuitStateOf(endpoint: Endpoint): Circuit["state"] {
    return this.#known.get(endpoint)?.circuit.state ?? "closed";
  }

  /** Of the service's own circuit; null: there is nothing to tell. */
  circuitReason(now: number): string | null {
    return describeCircuit(this.#circuit, now);
  }
}

interface Result {
  readonly outcome: Outcome;
  readonly now: number;
}

function after(circuit: Circuit, breaker: BreakerSpec, { outcome, now }: Result): Circuit {
  return outcome === "success" ? afterSuccess(circuit, breaker, now) : afterFailure(circuit, breaker, now);
}

const OVERFLOW = { code: "upstream-overflow", detail: "the service has its maxRequests under way" } as const;
const CIRCUIT_OPEN = { code: "circuit-open", detail: "the service's circuit is open" } as const;
