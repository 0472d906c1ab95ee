/** An instance of a service and its states; pure, with time passed in. */

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
}

export interface LifeTimes {
  /** From `expired` to `removed`. */
  readonly graceMs: number;
  /** From `draining` to `removed`. */
  readonly drainMs: number;
  /** From `removed` to gone. */
  readonly retentionMs: number;
}

/** What time makes of it: itself when nothing, null when it is gone. */
export function age(instance: Instance, times: LifeTimes, nowMs: number): Instance | null {
  const { state, renewedAtMs, changedAtMs, leaseMs } = instance;
  switch (state) {
    case "up":
      return nowMs - renewedAtMs >= leaseMs ? inState(instance, "expired", nowMs) : instance;
    case "expired":
      return nowMs - changedAtMs >= times.graceMs ? inState(instance, "removed", nowMs) : instance;
    case "draining":
      return nowMs - changedAtMs >= times.drainMs ? inState(instance, "removed", nowMs) : instance;
    case "removed":
      return nowMs - changedAtMs >= times.retentionMs ? null : instance;
  }
}

export function inState(instance: Instance, state: InstanceState, nowMs: number): Instance {
  return instance.state === state ? instance : { ...instance, state, changedAtMs: nowMs };
}

/** A heartbeat: an expired instance is back, a draining one goes on draining. */
export function renew(instance: Instance, nowMs: number): Instance {
  return { ...inState(instance, instance.state === "expired" ? "up" : instance.state, nowMs), renewedAtMs: nowMs };
}
