/** Runs the filters of a route: those of the request in order until one replies, waiting only for promises; those of the response all. */
import type { Filter, FilterContext, Reply, ResponseHead, Verdict } from "./ports.js";

/** What filters see of an exchange, and how it goes on. */
export interface FilteredExchange extends FilterContext {
  /** Nothing is to be told any more. */
  readonly isComplete: boolean;
  filtersPassed(): void;
  filterReplied(reply: Reply): void;
  /** A filter threw. */
  bug(error: unknown): void;
}

/** Throws what a filter throws at once. @param from which one is next */
export function filterRequest(exchange: FilteredExchange, filters: readonly Filter[], from: number): void {
  for (let i = from; i < filters.length; i++) {
    const verdict = filters[i]?.onRequest?.(exchange) ?? null;
    if (verdict === null) continue;
    if (verdict instanceof Promise) awaitVerdict(exchange, filters, { verdict, next: i + 1 });
    else exchange.filterReplied(verdict);
    return;
  }
  exchange.filtersPassed();
}

function awaitVerdict(exchange: FilteredExchange, filters: readonly Filter[], wait: { verdict: Promise<Verdict>; next: number }): void {
  wait.verdict
    .then((reply) => {
      if (exchange.isComplete) return;
      if (reply === null) filterRequest(exchange, filters, wait.next);
      else exchange.filterReplied(reply);
    })
    .catch((error: unknown) => exchange.bug(error));
}

/** Changes `headers` in place; returns the status. */
export function filterResponse(context: FilterContext, filters: readonly Filter[], response: ResponseHead): number {
  for (const filter of filters) filter.onResponse?.(context, response);
  return response.status;
}
