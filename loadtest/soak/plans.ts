/**
 * What a client does in one exchange, and what it may see of it. A plan follows from the seed, the lane and a counter; it
 * names its fault itself, so that a failure nobody asked for is known as one.
 */
import type { ErrorCode } from "../../src/engine/model/errors.js";
import { EVERY_ATTEMPT, encodeOrder, type Order } from "./order.js";
import type { Random } from "./random.js";

/** How the client behaves; `leaves…` ends the connection at that moment. */
export type Conduct = "reads" | "reads slowly" | "leaves before the head" | "leaves in the upload" | "leaves in the body";

export interface Upload {
  readonly bytes: number;
  readonly framing: "length" | "chunked";
  readonly pace: "fast" | "slow" | "stalls";
  readonly expectsContinue: boolean;
}

export interface Plan {
  readonly id: string;
  readonly kind: string;
  /** Things go wrong on purpose. */
  readonly isFault: boolean;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly upload: Upload | null;
  readonly conduct: Conduct;
  readonly expected: Expected;
}

export interface Expected {
  /** Statuses that the service's own answer may have; none: no whole answer is right. */
  readonly statuses: readonly number[];
  /** Size of the body; -1: whatever. */
  readonly bytes: number;
  /** The body is the upload. */
  readonly isEcho: boolean;
  /** Local replies that are right. */
  readonly codes: readonly ErrorCode[];
  /** The answer may break off. */
  readonly mayBreak: boolean;
}

/** What a kind says of its plan; the rest is as in a plain GET that succeeds. */
export interface Draft {
  readonly route: string;
  readonly order?: Partial<Order>;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly upload?: Upload;
  readonly conduct?: Conduct;
  readonly expected?: Partial<Expected>;
}

export interface Kind {
  readonly name: string;
  /** Share among the kinds of its table. */
  readonly weight: number;
  readonly isFault: boolean;
  draft(random: Random): Draft;
}

const SUCCESS: Omit<Expected, "bytes"> = { statuses: [200], isEcho: false, codes: [], mayBreak: false };

export function planOf(kind: Kind, id: string, random: Random): Plan {
  const { route, order = {}, method = "GET", headers = {}, upload = null, conduct = "reads", expected = {} } = kind.draft(random);
  const isEcho = order.echo === "whole" || order.echo === "stream";
  const status = order.status ?? 200;
  const isBodiless = method === "HEAD" || status === 204 || status === 304;
  const bytes = isBodiless ? 0 : isEcho ? (upload?.bytes ?? 0) : (order.bytes ?? 0);
  return {
    id,
    kind: kind.name,
    isFault: kind.isFault,
    method,
    target: `/${route}/${id}?${encodeOrder(order)}`,
    headers,
    upload,
    conduct,
    expected: { ...SUCCESS, statuses: [status], bytes, isEcho, ...expected },
  };
}

/** An order that meets a fault at every attempt. */
export function faulty(fault: string, bytes: number, failures = EVERY_ATTEMPT): Partial<Order> {
  return { fault, bytes, failures };
}

// ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────

const MIB = 1024 * 1024;

/** From nothing to 1 MiB: as many small ones as services have, and now and then any size. */
export function anySize(random: Random): number {
  if (random.chance(0.05)) return 0;
  if (random.chance(0.03)) return random.between(0, MIB);
  return Math.floor(2 ** (random.next() * 20));
}

export function sizeBetween(random: Random, least: number, most: number): number {
  return Math.floor(least * (most / least) ** random.next());
}

export function anyUpload(random: Random, bytes = anySize(random)): Upload {
  return { bytes, framing: random.pick(["length", "chunked"]), pace: "fast", expectsContinue: random.chance(0.03) };
}
