/** What the configuration compiler must know of a filter's settings to check a whole route. */
export interface FilterFacts {
  /** Name of the JWT provider it refers to, or "". */
  readonly jwtProvider: string;
  /** Reads the principal: a jwt filter must stand before it in the chain. */
  readonly readsPrincipal: boolean;
  /** Ends every exchange itself: the route needs no backends, and filters after it never run. */
  readonly alwaysReplies: boolean;
}
