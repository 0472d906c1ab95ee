/** Field lists for property tests: few names and values, so that they repeat, among ever new ones. */
import fc from "fast-check";

/** Any byte string. */
export function arbitraryText(maxLength = 40): fc.Arbitrary<string> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));
}

const COMMON_NAMES = [
  "accept",
  "user-agent",
  "x-tenant",
  "server",
  "content-type",
  "date",
  "cookie",
  "etag",
  "authorization",
  "x-request-id",
];
const COMMON_VALUES = ["", "a", "gzip, deflate", "application/json", "x".repeat(130), "\u00e9\u00ff\u0000", "session=0123456789abcdef"];

const pseudoField = fc.constantFrom([":method", "GET"], [":path", "/a?b=c"], [":status", "404"], [":status", "418"], [":scheme", "https"]);

export const anyField: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 2, arbitrary: pseudoField },
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...COMMON_NAMES), fc.constantFrom(...COMMON_VALUES)) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...COMMON_NAMES), arbitraryText()) },
  { weight: 1, arbitrary: fc.tuple(arbitraryText(), arbitraryText(300)) },
);

export const anyFields: fc.Arbitrary<string[]> = fc.array(anyField, { maxLength: 12 }).map((fields) => fields.flat());

const tokenName = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/);
const visibleText = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]{0,60}[!-~\u00a1-\u00ff])?$/);
const plainNames = COMMON_NAMES.filter((name) => name !== "date");

/** Fields that an HTTP implementation lets pass as they are. */
export const validField: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.tuple(fc.constantFrom(...plainNames, "x-a", "x-b"), fc.constantFrom("a", "text/html", "gzip", "y".repeat(200))),
  fc.tuple(fc.constantFrom(...plainNames, "x-a", "x-b"), visibleText),
  fc.tuple(tokenName, visibleText),
);
