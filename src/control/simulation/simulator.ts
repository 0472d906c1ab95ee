/**
 * What a snapshot would do with described requests. `decide` is for many requests, `explain` for one: both send it
 * through the same exchange, and `explain` adds the reasons.
 */
import type { EndpointStates, Explanation, RequestDescription } from "../../engine/model/explanation.js";
import type { EndpointSpec, ListenerSpec, Snapshot } from "../../engine/model/snapshot.js";
import type { KeySource } from "../../filters/jwt/token-verifier.js";
import { chooseListener } from "./choose-listener.js";
import { type BackendShare, type Decision, decisionOf, sharesOf } from "./decision.js";
import { describeOutcome, type ExplainOptions } from "./describe-outcome.js";
import { type DescribedRequest, readDescription } from "./described-request.js";
import { type Outcome, sendThrough } from "./simulated-exchange.js";
import { createSimulatedRuntime } from "./simulated-runtime.js";
import { type TokenSource, Trace } from "./trace.js";

export interface Examination {
  readonly explanation: Explanation;
  readonly decision: Decision;
}

export interface Simulator {
  readonly snapshot: Snapshot;
  /** The text says why there is no listener for it. */
  explain(request: DescribedRequest, options?: ExplainOptions): Promise<Explanation | string>;
  /** Both at once: the decision holds values that an explanation does not show. */
  examine(request: DescribedRequest, options?: ExplainOptions): Promise<Examination | string>;
  /** As `explain`, comparable. */
  decide(request: DescribedRequest, tokens?: TokenSource): Decision | string | Promise<Decision>;
  /** On a listener that is known; nothing asynchronous is left when tokens are assumed. */
  decideRecorded(listener: ListenerSpec, request: DescribedRequest, subject: string): Decision;
}

export function createSimulator(snapshot: Snapshot, liveKeys: KeySource | null = null): Simulator {
  const simulated = createSimulatedRuntime(snapshot, liveKeys);
  const shares = new Map(simulated.runtime.routes.map((route) => [route.spec.name, sharesOf(route)]));
  const decision = (outcome: Outcome): Decision => decisionOf(outcome, shares.get(outcome.record.routeName) ?? NO_BACKENDS);
  async function examine(request: DescribedRequest, options: ExplainOptions = {}): Promise<Examination | string> {
    const choice = chooseListener(snapshot.listeners, request);
    if (typeof choice === "string") return choice;
    const outcome = await sendThrough(simulated, choice.listener, request, new Trace(tokensOf(request), true));
    const decided = decision(outcome);
    const happening = { snapshot, simulated, choice, request, outcome, decision: decided };
    return { explanation: describeOutcome(happening, options), decision: decided };
  }

  return {
    snapshot,
    examine,
    async explain(request, options) {
      const examined = await examine(request, options);
      return typeof examined === "string" ? examined : examined.explanation;
    },
    decide(request, tokens = tokensOf(request)) {
      const choice = chooseListener(snapshot.listeners, request);
      if (typeof choice === "string") return choice;
      const outcome = sendThrough(simulated, choice.listener, request, new Trace(tokens, false));
      return outcome instanceof Promise ? outcome.then(decision) : decision(outcome);
    },
    decideRecorded(listener, request, subject) {
      const outcome = sendThrough(simulated, listener, request, new Trace({ type: "assumed", subject }, false));
      if (outcome instanceof Promise) throw new Error("a recorded request had to wait");
      return decision(outcome);
    },
  };
}

const NO_BACKENDS: readonly BackendShare[] = [];

export function tokensOf({ token, claims }: DescribedRequest): TokenSource {
  if (claims !== null) return { type: "claims", claims };
  return token === null ? { type: "headers" } : { type: "token", token };
}

export type ExplainAnswer =
  | { readonly result: "explained"; readonly explanation: Explanation }
  /** The description is wrong, or no listener takes such a request. */
  | { readonly result: "invalid"; readonly message: string };

/** Building one costs as much as a reload: kept while the snapshot is. */
const simulators = new WeakMap<Snapshot, Simulator>();

function simulatorOf(snapshot: Snapshot, keys: KeySource): Simulator {
  const known = simulators.get(snapshot) ?? createSimulator(snapshot, keys);
  simulators.set(snapshot, known);
  return known;
}

/** What a gateway that runs knows beyond its snapshot. */
export interface LiveFacts {
  /** One for the life of the gateway. */
  readonly keys: KeySource;
  /** Of the endpoints of these services, at this moment. */
  endpointStates(services: readonly string[]): Promise<EndpointStates>;
  /** Of a service, written or found. */
  endpointsOf(service: string): readonly EndpointSpec[];
}

/** For a gateway that runs: whoever asks may know nothing of the configuration's secrets. */
export async function explain(snapshot: Snapshot, description: RequestDescription, facts: LiveFacts): Promise<ExplainAnswer> {
  const described = readDescription(description);
  if (!described.ok) return { result: "invalid", message: `${described.field} ${described.message}` };
  const endpointStates = await facts.endpointStates(snapshot.services.map(({ name }) => name));
  const explanation = await simulatorOf(snapshot, facts.keys).explain(described.request, {
    hidesFixedValues: true,
    endpointStates,
    endpointsOf: facts.endpointsOf,
  });
  return typeof explanation === "string" ? { result: "invalid", message: explanation } : { result: "explained", explanation };
}
