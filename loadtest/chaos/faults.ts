/** What is done to the services, and how it ends. Gateways see nothing of it but what services do. */
import { setTimeout as delay } from "node:timers/promises";
import type { Behaviour } from "./endpoint.js";
import type { Endpoint } from "./endpoints.js";
import type { SourceServers } from "./source-servers.js";

export type FaultName = (typeof FAULTS)[number]["name"];

export interface Fault {
  readonly name: string;
  readonly title: string;
  /** What it is about; the others only watch. */
  victims(endpoints: readonly Endpoint[]): readonly Endpoint[];
  begin(victims: readonly Endpoint[], sources: SourceServers | null): Promise<void>;
  /** Resolves when the victims can serve again. */
  end(victims: readonly Endpoint[], sources: SourceServers | null): Promise<void>;
  readonly isZoned?: boolean;
  /** About where endpoints are found: only Windrose finds any. */
  readonly isAboutSources?: boolean;
  /** There is nobody to go to instead. */
  readonly hitsAll?: boolean;
}

type Each = (endpoint: Endpoint) => void | Promise<void>;

const FLAP_MS = 1_000;
const first = (endpoints: readonly Endpoint[]): readonly Endpoint[] => endpoints.slice(0, 1);
const all = (endpoints: readonly Endpoint[]): readonly Endpoint[] => endpoints;
const ofZoneA = (endpoints: readonly Endpoint[]): readonly Endpoint[] => endpoints.filter(({ zone }) => zone === "a");
const none = (): readonly Endpoint[] => [];

export const FAULTS = [
  {
    name: "kill",
    title: "kill -9, then started again",
    victims: first,
    ...inEach(
      (one) => one.kill(),
      (one) => one.restart(),
    ),
  },
  {
    name: "stop",
    title: "SIGSTOP, then SIGCONT",
    victims: first,
    ...inEach(
      (one) => one.freeze(),
      (one) => one.thaw(),
    ),
  },
  { name: "reset", title: "accepts, then resets", victims: first, ...behaving("reset") },
  { name: "slow", title: "answers after 500 ms", victims: first, ...behaving("slow") },
  { name: "trickle", title: "bodies trickle for a second", victims: first, ...behaving("trickle") },
  { name: "garbage", title: "answers bytes that are not HTTP", victims: first, ...behaving("garbage") },
  { name: "flap", title: "down and up again every second", victims: first, ...flapping() },
  {
    name: "clog",
    title: "full accept queue, SYNs dropped",
    victims: first,
    ...inEach(
      (one) => one.clog(),
      (one) => one.unclog(),
    ),
  },
  { name: "busy", title: "503 with Retry-After: 1, checks pass", victims: first, ...behaving("busy") },
  { name: "error", title: "always 500, checks pass", victims: first, ...behaving("error") },
  { name: "error-half", title: "500 half of the time, checks pass", victims: first, ...behaving("error-half") },
  {
    name: "zone",
    title: "all of the own zone killed",
    victims: ofZoneA,
    isZoned: true,
    ...inEach(
      (one) => one.kill(),
      (one) => one.restart(),
    ),
  },
  { name: "panic", title: "all checks fail, requests do not", victims: all, hitsAll: true, ...behaving("unhealthy") },
  {
    name: "outage",
    title: "all killed, then started again",
    victims: all,
    hitsAll: true,
    ...inEach(
      (one) => one.kill(),
      (one) => one.restart(),
    ),
  },
  { name: "source", title: "endpoint file spoilt, DNS server killed", victims: none, isAboutSources: true, ...sourceOutage() },
] as const satisfies readonly Fault[];

function inEach(begin: Each, end: Each): Pick<Fault, "begin" | "end"> {
  const each = async (victims: readonly Endpoint[], act: Each): Promise<void> => {
    await Promise.all(victims.map(act));
  };
  return { begin: (victims) => each(victims, begin), end: (victims) => each(victims, end) };
}

function behaving(behaviour: Behaviour): Pick<Fault, "begin" | "end"> {
  return inEach(
    (one) => one.behave(behaviour),
    (one) => one.behave("healthy"),
  );
}

function flapping(): Pick<Fault, "begin" | "end"> {
  const flaps = new Map<readonly Endpoint[], { isOver: boolean; done: Promise<void> }>();
  const flap = async (victims: readonly Endpoint[], state: { readonly isOver: boolean }): Promise<void> => {
    for (let isDown = true; !state.isOver; isDown = !isDown) {
      await Promise.all(victims.map((one) => one.behave(isDown ? "down" : "healthy")));
      await delay(FLAP_MS);
    }
    await Promise.all(victims.map((one) => one.behave("healthy")));
  };
  return {
    begin: async (victims) => {
      const state = { isOver: false, done: Promise.resolve() };
      state.done = flap(victims, state);
      flaps.set(victims, state);
    },
    end: async (victims) => {
      const state = flaps.get(victims);
      if (state === undefined) return;
      state.isOver = true;
      await state.done;
    },
  };
}

function sourceOutage(): Pick<Fault, "begin" | "end"> {
  return { begin: async (_victims, sources) => sources?.spoil(), end: async (_victims, sources) => sources?.mend() };
}
