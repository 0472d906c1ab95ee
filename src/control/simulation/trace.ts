/** What one simulated request brings along, and what it leaves behind on its way through the filters. */
import type { HeaderList } from "../../engine/model/request.js";
import type { Reply } from "../../proxy/ports.js";

export type Claims = Readonly<Record<string, unknown>>;

/** Where tokens come from that nobody sent. */
export type TokenSource =
  /** The request has what its headers say. */
  | { readonly type: "headers" }
  /** Put where each jwt filter looks. Secret. */
  | { readonly type: "token"; readonly token: string }
  /** As if a token with these claims had been verified. */
  | { readonly type: "claims"; readonly claims: Claims }
  /** Recorded requests: every token that is required is there and good; "" when nobody is known to have sent one. */
  | { readonly type: "assumed"; readonly subject: string };

export interface FilterStep {
  /** Index in the route's filters. */
  readonly index: number;
  readonly before: readonly string[];
  after: readonly string[];
  /** Null: continued. */
  reply: Reply | null;
}

export class Trace {
  readonly tokens: TokenSource;
  /** Copies of headers are made only for who wants reasons. */
  readonly hasReasons: boolean;
  readonly steps: FilterStep[] = [];
  /** The headers that routes were matched with. */
  routedHeaders: readonly string[] | null = null;
  /** Fields that were added in the client's name, to hold a token. */
  readonly placed: string[] = [];
  /** Of the token that the jwt filter at work is shown in place of a real one. */
  claims: Claims | null = null;
  /** Tokens that were taken for granted, such as `a token of main`. */
  readonly assumptions: string[] = [];
  /** Providers whose signatures could not be checked here. */
  readonly unchecked: string[] = [];
  /** Of rate limits, by index of the filter. */
  readonly limitKeys = new Map<number, string>();

  constructor(tokens: TokenSource, hasReasons: boolean) {
    this.tokens = tokens;
    this.hasReasons = hasReasons;
  }

  /** Before the first filter. */
  noteRouted(headers: HeaderList): void {
    if (this.hasReasons && this.routedHeaders === null) this.routedHeaders = [...headers];
  }

  begin(index: number, headers: HeaderList): FilterStep | null {
    if (!this.hasReasons) return null;
    const step: FilterStep = { index, before: [...headers], after: [], reply: null };
    this.steps.push(step);
    return step;
  }
}
