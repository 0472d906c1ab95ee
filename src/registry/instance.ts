/** An instance of a service, its states, and what orders and time make of it; pure, with time passed in. */

/**
 * `up` → (lease over) `expired` → (grace over) `removed` → (retention over) gone. `draining` takes nothing new and becomes `removed`
 * when its time is over. `removed` is kept to be seen and restored.
 */
export type InstanceState = "up" | "expired" | "draining" | "removed";

/** What an instance says of itself. */
export interface Registration {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the program; "": it says none. */
  readonly version: string;
  /** Who it is in the mesh, such as `spiffe://example.internal/service/orders`; "": it does not say. */
  readonly identity: string;
  /** Without a heartbeat for so long it expires. */
  readonly leaseMs: number;
}

export interface Instance extends Registration {
  readonly id: string;
  readonly state: InstanceState;
  /** Milliseconds since the epoch. */
  readonly registeredAtMs: number;
  readonly renewedAtMs: number;
  /** When the state began. */
  readonly changedAtMs: number;
  /** Of its last change in the store that several gateways share; 0: it has not been there. */
  readonly revision: number;
}

export interface LifeTimes {
  /** From `expired` to `removed`. */
  readonly graceMs: number;
  /** From `draining` to `removed`. */
  readonly drainMs: number;
  /** From `removed` to gone. */
  readonly retentionMs: number;
}

export type Order =
  | { readonly kind: "register"; readonly registration: Registration }
  | { readonly kind: "heartbeat" | "drain" | "restore" };

/** `recovered`: a store that had lost it has it back from a gateway. */
export type EventName = "registered" | "changed" | "expired" | "renewed" | "draining" | "restored" | "removed" | "gone" | "recovered";

export interface Step {
  /** Null: it is gone. */
  readonly next: Instance | null;
  /** Null: nothing that others can see. */
  readonly event: EventName | null;
}

/** What an order makes of an instance; null when there is none to obey it. */
export function obey(known: Instance | null, id: string, order: Order, nowMs: number): (Step & { readonly next: Instance }) | null {
  if (order.kind === "register") return registered(known, id, order.registration, nowMs);
  if (known === null) return null;
  const step = (next: Instance, event: EventName) => ({ next, event: next.state === known.state ? null : event });
  switch (order.kind) {
    case "heartbeat":
      return known.state === "removed" ? null : step(renew(known, nowMs), "renewed");
    case "drain":
      // What nobody calls any more has nothing to finish.
      if (known.state === "expired") return step(inState(known, "removed", nowMs), "removed");
      return known.state === "up" ? step(inState(known, "draining", nowMs), "draining") : step(known, "draining");
    case "restore":
      return step({ ...inState(known, "up", nowMs), renewedAtMs: nowMs }, "restored");
  }
}

/** What it becomes when its time in a state is over. */
export function lapse(instance: Instance, nowMs: number): Step {
  if (instance.state === "removed") return { next: null, event: "gone" };
  const state = instance.state === "up" ? "expired" : "removed";
  return { next: inState(instance, state, nowMs), event: state };
}

/** How long it may stay in its state, from when it was renewed (`up`) or when the state began. */
export function timeInState({ state, leaseMs }: Instance, times: LifeTimes): number {
  switch (state) {
    case "up":
      return leaseMs;
    case "expired":
      return times.graceMs;
    case "draining":
      return times.drainMs;
    case "removed":
      return times.retentionMs;
  }
}

export function isOver(instance: Instance, times: LifeTimes, nowMs: number): boolean {
  return nowMs - (instance.state === "up" ? instance.renewedAtMs : instance.changedAtMs) >= timeInState(instance, times);
}

/** The same again is a heartbeat; what drains goes on draining. */
function registered(known: Instance | null, id: string, registration: Registration, nowMs: number): Step & { readonly next: Instance } {
  if (known === null || known.state === "removed") {
    const times = { registeredAtMs: nowMs, renewedAtMs: nowMs, changedAtMs: nowMs };
    return { next: { id, ...registration, state: "up", ...times, revision: known?.revision ?? 0 }, event: "registered" };
  }
  const next = { ...renew(known, nowMs), ...registration };
  if (!isSame(known, registration)) return { next, event: "changed" };
  return { next, event: next.state === known.state ? null : "renewed" };
}

/** An expired instance is back, a draining one goes on draining. */
function renew(instance: Instance, nowMs: number): Instance {
  return { ...inState(instance, instance.state === "expired" ? "up" : instance.state, nowMs), renewedAtMs: nowMs };
}

function inState(instance: Instance, state: InstanceState, nowMs: number): Instance {
  return instance.state === state ? instance : { ...instance, state, changedAtMs: nowMs };
}

function isSame(a: Registration, b: Registration): boolean {
  const visible = ({ address, weight, zone, priority, labels, version, identity, leaseMs }: Registration): string =>
    JSON.stringify([address, weight, zone, priority, labels, version, identity, leaseMs]);
  return visible(a) === visible(b);
}
