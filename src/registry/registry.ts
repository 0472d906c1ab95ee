/** What registering, watching and listing need of a registry, wherever it keeps its instances. */
import type { EventName, Instance, LifeTimes, Registration } from "./instance.js";

export interface RegistryEvent {
  /** Of the service after it. */
  readonly index: number;
  readonly at: string;
  readonly id: string;
  readonly event: EventName;
}

export interface ServiceInstances {
  /** Of the service; 0 when it never had an instance. */
  readonly index: number;
  /** In the order of their ids. */
  readonly instances: readonly Instance[];
}

export type Registered = "created" | "updated" | "full";

/** Answers at once, or when the store has decided. */
export type Soon<T> = T | Promise<T>;

export interface Registry {
  /** The same again is a heartbeat. */
  register(service: string, id: string, registration: Registration): Soon<Registered>;
  /** False: it is not registered (any more) and should register. */
  heartbeat(service: string, id: string): boolean;
  /** False: there is no such instance. */
  drain(service: string, id: string): Soon<boolean>;
  /** Ends draining, and brings back what was removed, with a new lease. */
  restore(service: string, id: string): Soon<boolean>;
  setTimes(times: LifeTimes): void;
  /** What it knows is all there is: instances have had time to come back. */
  readonly isSettled: boolean;
  /** Why what it knows may be old; "": it is not. */
  readonly trouble: string;
  /** Writes down what is not yet, then ends. */
  close(): Promise<void>;
}

export const MAX_INSTANCES = 20_000;
export const MAX_SERVICES = 2_000;
