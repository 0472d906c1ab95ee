/** Turns what happened to a simulated request into an `Explanation`: words for reasons, and no secrets. */
import { SECRET_HEADERS } from "../../config/index.js";
import { subsetOf } from "../../engine/balancing/layout.js";
import { endpointId } from "../../engine/model/endpoint.js";
import { placeOfSource, staticEndpointsOf } from "../../engine/model/endpoint-source.js";
import type {
  EndpointStates,
  ExplainedBackend,
  ExplainedCandidate,
  ExplainedPolicies,
  ExplainedRoute,
  ExplainedUpstream,
  ExplainedVerdict,
  Explanation,
  HeaderChanges,
} from "../../engine/model/explanation.js";
import { headerValue } from "../../engine/model/request.js";
import type { BalanceSpec, EndpointSpec, RetryConditions, RouteSpec, ServiceSpec, Snapshot } from "../../engine/model/snapshot.js";
import { isIdempotent } from "../../engine/resilience/retry-policy.js";
import { explainRoute, type RouteCandidate } from "../../engine/routing/explain-route.js";
import type { ListenerRuntime } from "../../proxy/runtime.js";
import type { ListenerChoice } from "./choose-listener.js";
import type { Decision } from "./decision.js";
import { describeFilters } from "./describe-filters.js";
import { ASSUMED_ADDRESS, type DescribedRequest } from "./described-request.js";
import { changesBetween, createVeil, type Veil } from "./header-changes.js";
import type { Outcome } from "./simulated-exchange.js";
import type { SimulatedRuntime } from "./simulated-runtime.js";

export interface ExplainOptions {
  readonly endpointStates?: EndpointStates;
  /** What a gateway that runs has found. */
  readonly endpointsOf?: (service: string) => readonly EndpointSpec[];
  /** For whoever may not read the configuration's secrets: values that it writes into requests are not shown. */
  readonly hidesFixedValues?: boolean;
}

export interface Happening {
  readonly snapshot: Snapshot;
  readonly simulated: SimulatedRuntime;
  readonly choice: ListenerChoice;
  readonly request: DescribedRequest;
  readonly outcome: Outcome;
  readonly decision: Decision;
}

const MAX_CANDIDATES = 50;

export function describeOutcome(happening: Happening, options: ExplainOptions): Explanation {
  const { snapshot, choice, outcome, decision } = happening;
  const spec = snapshot.routes.find(({ name }) => name === decision.route) ?? null;
  const veil = createVeil(spec, options.hidesFixedValues === true);
  const { match, candidates } = explainCandidates(happening);
  const { listener, reason, others } = choice;
  return {
    version: snapshot.version,
    request: describeRequest(happening),
    listener: { name: listener.name, protocol: listener.protocol, direction: listener.direction, reason, others },
    verdict: describeVerdict(outcome, decision, veil),
    route: spec === null ? null : match,
    candidates: candidates.slice(0, MAX_CANDIDATES).map((candidate) => describeCandidate(candidate, snapshot, options)),
    moreCandidates: Math.max(0, candidates.length - MAX_CANDIDATES),
    filters: spec === null ? [] : describeFilters(spec, outcome, veil),
    upstream: describeUpstream(happening, veil),
    response: outcome.upstream === null ? null : withoutLimits(changesBetween([], outcome.headers, veil)),
    backends: spec === null ? [] : describeBackends(spec, happening, options),
    policies: spec === null ? null : describePolicies(spec, outcome.head.method),
    notes: notesOf(happening, spec),
  };
}

function describeRequest({ request, outcome }: Happening): Explanation["request"] {
  const { head, record } = outcome;
  return {
    method: request.method,
    scheme: head.scheme,
    authority: request.authority,
    host: head.host,
    path: head.path,
    query: head.query ?? null,
    clientAddress: record.clientAddress,
    identity: request.identity,
  };
}

/** Routes are asked with the headers that the first filter saw: later ones may have been changed. */
function explainCandidates({ simulated, choice, outcome }: Happening): {
  match: ExplainedRoute | null;
  candidates: readonly RouteCandidate[];
} {
  const { head, record, trace } = outcome;
  const wasRouted = record.routeName !== "" || record.errorCode === "route-not-found";
  if (!wasRouted || head.host === "") return { match: null, candidates: [] };
  const { table } = simulated.runtime.listeners.get(choice.listener.name) as ListenerRuntime;
  const { method, host, path, query } = head;
  const { match, candidates } = explainRoute(table, { method, host, path, query, headers: trace.routedHeaders ?? head.headers });
  return { match: match === null ? null : { name: record.routeName, path: match.path, pathType: match.pathType }, candidates };
}

function describeCandidate(candidate: RouteCandidate, { routes }: Snapshot, options: ExplainOptions): ExplainedCandidate {
  const { routeName, routeIndex, matchIndex, path, pathType, hostname, outcome } = candidate;
  const match = routes[routeIndex]?.match[matchIndex];
  const hidden = [...(match?.headers ?? []), ...(match?.query ?? [])].filter(
    ({ name }) => options.hidesFixedValues === true || SECRET_HEADERS.test(name),
  );
  const reason = hidden.reduce((text, { value }) => text.replaceAll(`"${value}"`, "what the configuration says"), candidate.reason);
  return { name: routeName, path, pathType, hostname, outcome, reason };
}

function describeVerdict({ status, headers, body, record }: Outcome, decision: Decision, veil: Veil): ExplainedVerdict {
  if (decision.verdict === "proxied") return { type: "proxied" };
  const shown = changesBetween([], headers, veil).set.filter(({ name }) => name !== "x-request-id");
  if (decision.verdict === "reply") return { type: "reply", status, headers: shown, body };
  const isDeadEnd = record.errorCode === "";
  const detail = isDeadEnd ? "no backend has an endpoint that takes traffic" : record.errorDetail;
  return { type: "refused", status: decision.status, error: decision.error, detail, headers: isDeadEnd ? [] : shown };
}

/** The state of a limit is not the gateway's doing here: nothing was counted. */
function withoutLimits({ set, removed }: HeaderChanges): HeaderChanges {
  return { set: set.filter(({ name }) => name !== "ratelimit"), removed };
}

function describeUpstream({ request, outcome }: Happening, veil: Veil): ExplainedUpstream | null {
  const { upstream, head } = outcome;
  if (upstream === null) return null;
  const asked = head.query === undefined ? request.path : `${request.path}?${head.query}`;
  return {
    target: upstream.target,
    isRewritten: upstream.target !== asked,
    headers: [{ name: "host", value: upstream.authority }, ...changesBetween([], upstream.headers, veil).set],
    changes: changesBetween([...request.headers, ...outcome.trace.placed], upstream.headers, veil),
  };
}

function describeBackends(
  spec: RouteSpec,
  { snapshot, simulated }: Happening,
  { endpointStates, endpointsOf }: ExplainOptions,
): ExplainedBackend[] {
  const services = new Map(snapshot.services.map((service) => [service.name, service]));
  const route = simulated.runtime.routes.find((candidate) => candidate.spec.name === spec.name);
  const total = spec.backends.reduce((sum, { weight }) => sum + weight, 0);
  return (route?.spec.backends ?? []).map(({ service: name, subset, weight }) => {
    const service = services.get(name) as ServiceSpec;
    return {
      service: name,
      weight,
      sharePercent: total === 0 ? 0 : (weight / total) * 100,
      protocol: service.protocol,
      balance: describeBalance(service.balance),
      subset: subset === null ? null : subset.labels,
      source: placeOfSource(service.endpoints),
      endpoints: subsetOf(endpointsOfService(service, endpointsOf), subset).map(({ host, port, weight: part, zone, labels }) => {
        const address = endpointId({ host, port });
        return { address, weight: part, zone, labels, state: endpointStates?.(name, address) ?? null };
      }),
    };
  });
}

function describeBalance({ algorithm, hashOn }: BalanceSpec): string {
  if (hashOn === null) return algorithm;
  return `${algorithm} on ${hashOn.name === "" ? hashOn.type : `${hashOn.type} ${hashOn.name}`}`;
}

function endpointsOfService({ name, endpoints }: ServiceSpec, found: ExplainOptions["endpointsOf"]): readonly EndpointSpec[] {
  return found?.(name) ?? staticEndpointsOf(endpoints);
}

function describePolicies({ timeouts, retry }: RouteSpec, method: string): ExplainedPolicies {
  return {
    requestTimeoutMs: timeouts.requestMs,
    backendRequestTimeoutMs: timeouts.backendRequestMs,
    retryAttempts: retry.attempts,
    retryOn: retryConditions(retry.on),
    isIdempotent: isIdempotent(method),
  };
}

function retryConditions({ connectFailure, reset, timeout, malformed, statuses }: RetryConditions): string[] {
  return [
    ...(connectFailure ? ["connect-failure"] : []),
    ...(reset ? ["reset"] : []),
    ...(timeout ? ["timeout"] : []),
    ...(malformed ? ["malformed"] : []),
    ...statuses.map(String),
  ];
}

function notesOf({ choice, request, outcome, snapshot, decision }: Happening, spec: RouteSpec | null): string[] {
  const notes: string[] = [];
  const { listener } = choice;
  if (choice.others.length > 0) notes.push(`${choice.others.join(", ")} would take this request as well; --listener asks about another`);
  if (request.address === ASSUMED_ADDRESS) notes.push(`the client's address is assumed to be ${ASSUMED_ADDRESS}`);
  if (request.identity !== null && listener.wire?.tls?.clientAuth == null) {
    notes.push(`listener ${listener.name} asks for no client certificate: the identity is not seen`);
  }
  const hasJwt = spec?.filters.some(({ type }) => type === "jwt") === true;
  if (!hasJwt && (request.token !== null || request.claims !== null)) notes.push("no filter of the route looks at the token");
  for (const name of outcome.trace.unchecked) {
    const keys = snapshot.jwtProviders.find((provider) => provider.name === name)?.keys;
    const from = keys?.type === "uri" ? ` from ${withoutCredentials(keys.uri)}` : "";
    notes.push(`the keys of ${name} are fetched${from} at run time: the token's signature was not checked`);
  }
  const empty = decision.backends.filter(({ isEmpty, weight }) => isEmpty && weight > 0);
  for (const { service } of empty) notes.push(`service ${service} has no endpoint that takes traffic: its share is answered with 503`);
  if (outcome.bug !== null) notes.push("the gateway would answer 500 because of a fault of its own");
  if (headerValue(outcome.head.headers, "upgrade") !== undefined) notes.push("upgrades are not simulated");
  return notes;
}

function withoutCredentials(uri: string): string {
  return uri.replace(/^([a-z]+:\/\/)[^/@]*@/i, "$1").replace(/\?.*$/, "");
}
