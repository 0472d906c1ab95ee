/** What a request asks its service to do, carried in the query. Client and services share this file and nothing else. */

/** How the length of an answer is told: in advance, by chunks, or by the end of the connection. */
export type Framing = "length" | "chunked" | "close";
/** `whole`: the upload comes back once it is complete; `stream`: while it arrives. */
export type Echo = "" | "whole" | "stream";

export interface Order {
  readonly status: number;
  readonly bytes: number;
  readonly framing: Framing;
  /** Before the answer. */
  readonly waitMs: number;
  /** The body comes in so many pieces, with a pause between them. */
  readonly pieces: number;
  readonly pauseMs: number;
  /** 1xx answers before the answer. */
  readonly interim: number;
  readonly hasTrailers: boolean;
  readonly echo: Echo;
  /** The upload is read with pauses of so long; 0: as it comes. */
  readonly sipMs: number;
  /** Answers without waiting for the upload. */
  readonly isEarly: boolean;
  /** Name of a fault; "" for none. */
  readonly fault: string;
  /** Attempts at this request that meet the fault. */
  readonly failures: number;
}

export const EVERY_ATTEMPT = 1_000;

export const PLAIN_ORDER: Order = {
  status: 200,
  bytes: 0,
  framing: "length",
  waitMs: 0,
  pieces: 1,
  pauseMs: 0,
  interim: 0,
  hasTrailers: false,
  echo: "",
  sipMs: 0,
  isEarly: false,
  fault: "",
  failures: 0,
};

/** The header that names a request, in both directions. */
export const ID_HEADER = "x-soak-id";
/** Bytes that the upload will have if nobody cuts it short. */
export const UPLOAD_HEADER = "x-soak-upload";

/** Begins the ids of requests that no service may ever see. */
export const EVIL_ID = "evil";

/** Contents of both directions differ. */
export function uploadName(id: string): string {
  return `${id} up`;
}

/** Only what differs from a plain order. */
export function encodeOrder(order: Partial<Order>): string {
  const entries = Object.entries(order).filter(([name, value]) => value !== PLAIN_ORDER[name as keyof Order]);
  return new URLSearchParams(Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))).toString();
}

export function decodeOrder(query: URLSearchParams): Order {
  const order: Record<string, unknown> = { ...PLAIN_ORDER };
  for (const [name, text] of query) {
    const plain = PLAIN_ORDER[name as keyof Order];
    order[name] = typeof plain === "number" ? Number(text) : typeof plain === "boolean" ? text === "true" : text;
  }
  return order as unknown as Order;
}
