/** W3C Trace Context (level 1): recognises a valid `traceparent`, so that a broken one is not passed on. */

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;

/** The trace id, or "" when the value is not a valid traceparent. */
export function traceIdOf(traceparent: string): string {
  return TRACEPARENT.test(traceparent) ? traceparent.slice(3, 35) : "";
}
