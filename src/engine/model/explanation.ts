/**
 * What the gateway would do with one described request, and why: plain data that `windrose explain`, the admin API and
 * route tests share. Header values that let their bearer in are shown as `[redacted]`.
 */
import type { Direction, ListenerProtocol, PathMatchSpec } from "./snapshot.js";

/** A request in words, as the admin API takes it. */
export interface RequestDescription {
  /** `GET https://api.example.com/orders/1?page=2`; without a method it is GET. */
  readonly request: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** A token, given to the route's jwt filters where they look for one. Secret. */
  readonly jwt?: string;
  /** Name in the client's certificate: a SPIFFE ID or a DNS name. */
  readonly identity?: string;
  /** IP address of the client. */
  readonly address?: string;
  /** Name of the listener; by default the first that takes such a request. */
  readonly listener?: string;
}

/** What is known of endpoints at run time, such as `healthy`; null when nothing is. */
export type EndpointStates = (service: string, endpoint: string) => string | null;

export interface Explanation {
  /** Of the snapshot that decided. */
  readonly version: string;
  readonly request: ExplainedRequest;
  readonly listener: ExplainedListener;
  readonly verdict: ExplainedVerdict;
  /** Null: no route matched, or the request was refused before. */
  readonly route: ExplainedRoute | null;
  /** Best first; empty when the request was refused before routing. */
  readonly candidates: readonly ExplainedCandidate[];
  /** Further ones that are not listed. */
  readonly moreCandidates: number;
  /** Of the route, in their order. */
  readonly filters: readonly ExplainedFilter[];
  /** What a service would receive; null when no service is asked. */
  readonly upstream: ExplainedUpstream | null;
  /** How the gateway changes a service's response; null when no service is asked. */
  readonly response: HeaderChanges | null;
  /** Of the route, also when a filter replies before a backend is chosen. */
  readonly backends: readonly ExplainedBackend[];
  readonly policies: ExplainedPolicies | null;
  /** What was assumed, what was left out, what is odd. Sentences without a full stop. */
  readonly notes: readonly string[];
}

export interface ExplainedRequest {
  readonly method: string;
  readonly scheme: "http" | "https";
  /** As the client sends it. */
  readonly authority: string;
  /** As routes see it: lower case, without port. "" when it is malformed. */
  readonly host: string;
  /** Normalised. */
  readonly path: string;
  /** Without `?`; null when there is none. */
  readonly query: string | null;
  /** The client as the gateway sees it, after trusted proxies have been believed. */
  readonly clientAddress: string;
  readonly identity: string | null;
}

export interface ExplainedListener {
  readonly name: string;
  readonly protocol: ListenerProtocol;
  readonly direction: Direction;
  /** Why this one. */
  readonly reason: string;
  /** Others that would take such a request as well. */
  readonly others: readonly string[];
}

export type ExplainedVerdict =
  /** A service is asked. */
  | { readonly type: "proxied" }
  /** A filter answers. */
  | { readonly type: "reply"; readonly status: number; readonly headers: readonly NamedValue[]; readonly body: string }
  /** The gateway refuses. */
  | {
      readonly type: "refused";
      readonly status: number;
      /** As in the access log, for example `route-not-found`. */
      readonly error: string;
      /** What the log says. */
      readonly detail: string;
      readonly headers: readonly NamedValue[];
    };

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

export interface ExplainedRoute {
  readonly name: string;
  /** The path value of the match. */
  readonly path: string;
  readonly pathType: PathMatchSpec["type"];
}

export interface ExplainedCandidate extends ExplainedRoute {
  readonly hostname: string;
  readonly outcome: "matched" | "lost";
  readonly reason: string;
}

export interface ExplainedFilter {
  readonly type: string;
  /** `response`: it has no part in the request and runs on the response. */
  readonly verdict: "continue" | "reply" | "not reached" | "response";
  readonly detail: string;
  /** Of the request's headers. */
  readonly changes: HeaderChanges;
}

export interface HeaderChanges {
  /** New ones and such with a new value. */
  readonly set: readonly NamedValue[];
  readonly removed: readonly string[];
}

export interface ExplainedUpstream {
  /** Path and query as they are sent. */
  readonly target: string;
  readonly isRewritten: boolean;
  /** All of them, but for framing. */
  readonly headers: readonly NamedValue[];
  /** From what the client sent to what the service gets. */
  readonly changes: HeaderChanges;
}

export interface ExplainedBackend {
  readonly service: string;
  readonly weight: number;
  /** Of the route's requests. */
  readonly sharePercent: number;
  readonly protocol: string;
  /** The algorithm, and what it hashes on: `ringHash on cookie session`. */
  readonly balance: string;
  /** Labels that an endpoint must have to be one of these; null: all endpoints of the service. */
  readonly subset: Readonly<Record<string, string>> | null;
  /** Where endpoints are found at run time, such as `dns A orders.internal 8080`; "": they are written in the configuration. */
  readonly source: string;
  /** Empty without a running gateway when they are found at run time. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainedEndpoint {
  readonly address: string;
  readonly weight: number;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Null: not known, as always without a running gateway. */
  readonly state: string | null;
}

export interface ExplainedPolicies {
  /** 0: none. */
  readonly requestTimeoutMs: number;
  readonly backendRequestTimeoutMs: number;
  /** Further attempts after the first. */
  readonly retryAttempts: number;
  /** As in the configuration: `connect-failure`, `reset`, `timeout`, statuses. */
  readonly retryOn: readonly string[];
  /** The method may be repeated once a service may have seen the request. */
  readonly isIdempotent: boolean;
}
