/**
 * The message contract between the primary and its workers: plain, serialisable data, so that it can later cross a
 * network. State messages (snapshot, keys) are idempotent and versioned; a worker acknowledges the version it serves.
 */

import type { ServiceHealth } from "../discovery/health/health-checks.js";
import type { EndpointUpdate } from "../discovery/sources.js";
import type { Snapshot } from "../engine/model/snapshot.js";
import type { AddressCredits } from "../engine/resilience/address-credits.js";
import type { Circuit } from "../engine/resilience/circuit.js";
import type { LeaseGrant, LeaseRequest } from "../limits/lease.js";
import type { MetricJson } from "../telemetry/metric-json.js";
import type { Jwks } from "./key-sets.js";
import type { OverrideList } from "./overrides/endpoint-overrides.js";
import type { ProcessIdentity } from "./process-identity.js";

export interface KeySetMessage {
  readonly type: "keys";
  readonly provider: string;
  /** Grows with every change; a worker ignores what is not newer. */
  readonly version: number;
  readonly jwks: Jwks;
}

/** All endpoints of a service that is not static, beside the snapshot. */
export interface EndpointsMessage extends EndpointUpdate {
  readonly type: "endpoints";
}

/** One endpoint as one worker sees it. */
export interface EndpointReport {
  readonly service: string;
  /** `host:port`. */
  readonly endpoint: string;
  /** Who says so. */
  readonly worker: number;
  /** Attempts under way. */
  readonly inFlight: number;
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  readonly isHealthy: boolean;
  readonly isDraining: boolean;
  /** 0: it is not ejected. */
  readonly ejectedForMs: number;
  /** Its own. */
  readonly circuit: Circuit["state"];
  /** Of ejections and circuits, for people. */
  readonly reasons: readonly string[];
  readonly serviceCircuit: Circuit["state"];
  /** Of the service's circuit; "": there is nothing to tell. */
  readonly serviceReason: string;
  /** Too few endpoints of the service are well: all of them are asked. */
  readonly isPanicking: boolean;
}

/** What active checks say of a service: complete, and only the newest counts. */
export interface HealthMessage extends ServiceHealth {
  readonly type: "health";
}

/** What operators have said of endpoints: complete, and only the newest counts. */
export interface OverridesMessage extends OverrideList {
  readonly type: "overrides";
}

/** Credits of client addresses, by listener (see engine/resilience/address-credits.ts). */
export type CreditsByListener = Readonly<Record<string, readonly AddressCredits[]>>;

/** For a listener with `maxConnectionsPerAddress`. */
export interface AddressStart {
  /** What a worker may let in of an address without asking. */
  readonly share: number;
  /** Addresses of which it may not let in any until it hears of them. */
  readonly nearLimit: readonly string[];
}

export type PrimaryMessage =
  | {
      readonly type: "start";
      readonly workerId: number;
      readonly instance: string;
      readonly snapshot: Snapshot;
      readonly keys: readonly KeySetMessage[];
      readonly health: readonly HealthMessage[];
      readonly endpoints: readonly EndpointsMessage[];
      readonly overrides: OverridesMessage;
      /** Ports chosen by the first worker for listeners bound to port 0. */
      readonly ports: Readonly<Record<string, number>>;
      /** How many the worker may hold, both directions together; 0: unlimited. */
      readonly maxSockets: number;
      /** By name, only listeners with `maxConnectionsPerAddress`. */
      readonly addresses: Readonly<Record<string, AddressStart>>;
      /** Of TLS session tickets, as in `ticketKeys`; "" when no listener needs them. */
      readonly ticketKeys: string;
      /** Of explain tokens. Base64. Secret. */
      readonly explainSecret: string;
    }
  /** Before `start`: the listening socket of a listener on our own codecs comes with this message. */
  | { readonly type: "listen"; readonly listener: string }
  /** Session tickets are sealed with these from now on. Base64. Secret. */
  | { readonly type: "ticketKeys"; readonly keys: string }
  /** To be served instead, in place. Answered by `ack` or `rejected`. */
  | { readonly type: "snapshot"; readonly snapshot: Snapshot }
  /** The process that will see to a worker whose primary has gone: without one (never sent), it drains at once. */
  | { readonly type: "keeper"; readonly keeper: ProcessIdentity }
  /** Answered by `pong` as soon as the event loop comes to it. */
  | { readonly type: "ping" }
  | KeySetMessage
  | HealthMessage
  | EndpointsMessage
  | OverridesMessage
  /** Answers `lease`; `grant` is null when the store failed. */
  | { readonly type: "leaseReply"; readonly id: number; readonly grant: LeaseGrant | null }
  /** Answers `refreshKeys`, after any `keys` message that resulted from it. */
  | { readonly type: "refreshReply"; readonly id: number }
  | { readonly type: "collect"; readonly id: number }
  /** Answered by `inspected`. */
  | { readonly type: "inspect"; readonly id: number; readonly services: readonly string[] }
  /** Begins a round: what credits does the worker hold? */
  | { readonly type: "yieldAddresses"; readonly id: number }
  /** Ends it. */
  | { readonly type: "dealAddresses"; readonly credits: CreditsByListener }
  /** `isReplaced`: another worker serves instead, so there is no hurry. A second one may only take that back. */
  | { readonly type: "drain"; readonly timeoutMs: number; readonly isReplaced: boolean };

export type WorkerMessage =
  /** A forked worker has loaded its code and waits for `start`. */
  | { readonly type: "hello" }
  | { readonly type: "ready"; readonly ports: Readonly<Record<string, number>> }
  /** The worker cannot serve (a port is taken, a certificate unreadable) and ends. */
  | { readonly type: "failed"; readonly message: string; readonly isUnavailable: boolean }
  | { readonly type: "ack"; readonly version: string }
  /** The snapshot of this version cannot be served; the one before it still is. */
  | { readonly type: "rejected"; readonly version: string; readonly message: string }
  | { readonly type: "pong"; readonly residentBytes: number }
  | { readonly type: "lease"; readonly id: number; readonly request: LeaseRequest }
  | { readonly type: "refreshKeys"; readonly id: number; readonly provider: string; readonly kid: string }
  /** Credits of an address run low: please have a round. At most once until the next one begins. */
  | { readonly type: "countAddresses" }
  /** Answers `yieldAddresses`. */
  | { readonly type: "addressesYielded"; readonly id: number; readonly credits: CreditsByListener }
  /** Answers `inspect`: what this worker knows of the endpoints of these services. */
  | { readonly type: "inspected"; readonly id: number; readonly endpoints: readonly EndpointReport[] }
  /** Pushed every few seconds, and with `id` in answer to `collect`. */
  | { readonly type: "metrics"; readonly id: number; readonly metrics: readonly MetricJson[] };

/** One end of the connection between primary and worker. */
export interface Channel<Out, In> {
  /** @param handle of a socket, which goes to the other process with the message; the sender keeps its own */
  send(message: Out, handle?: object): void;
  onMessage(receive: (message: In, handle?: object) => void): void;
  /** The other side is gone; at most once. */
  onClose(closed: () => void): void;
}

export type WorkerChannel = Channel<WorkerMessage, PrimaryMessage>;
export type StartMessage = Extract<PrimaryMessage, { readonly type: "start" }>;
