/**
 * The small value types that every block is made of: names, durations, sizes, addresses, hostnames, header fields.
 * A rule is a pure function from text to a flaw (or null); `{value}` in a message is filled in by the reporter, which
 * knows whether the value may be shown.
 */
import { z } from "zod";
import { DURATION_PATTERN, parseDuration, parseSize, SIZE_PATTERN } from "../../engine/model/units.js";
import { cidrFlaw, hostnameFlaw, parseAddress } from "./addresses.js";

export interface Flaw {
  readonly message: string;
  readonly hint?: string;
}

/** A string that must pass `rule`. */
export function text(rule: (value: string) => Flaw | null) {
  return z.string().superRefine((value, context) => {
    const flaw = rule(value);
    if (flaw !== null) context.addIssue({ code: "custom", message: flaw.message, params: { hint: flaw.hint } });
  });
}

export function isDurationOk(value: string): Flaw | null {
  if (parseDuration(value) !== null) return null;
  return { message: "{value} is not a duration", hint: "write whole numbers with h, m, s or ms: 250ms, 5s, 1h30m" };
}

function isPositiveDuration(value: string): Flaw | null {
  return isDurationOk(value) ?? (parseDuration(value) === 0 ? { message: "must be longer than 0s" } : null);
}

function isSizeOk(value: string): Flaw | null {
  if (parseSize(value) !== null) return null;
  return { message: "{value} is not a size", hint: "write a whole number with B, KiB, MiB or GiB: 64KiB, 10MiB" };
}

/** Any duration, `0s` included. */
export const duration = () => text(isDurationOk).meta({ pattern: DURATION_PATTERN.source });
export const positiveDuration = () => text(isPositiveDuration).meta({ pattern: DURATION_PATTERN.source });
/** A size with a unit, or a plain number of bytes. */
export const size = () => z.union([text(isSizeOk).meta({ pattern: SIZE_PATTERN.source }), z.int().min(0)]);

/** A size between two numbers of bytes, both included. */
export const boundedSize = (minBytes: number, maxBytes: number) =>
  size().superRefine((value, context) => {
    const bytes = typeof value === "number" ? value : parseSize(value);
    if (bytes === null || (bytes >= minBytes && bytes <= maxBytes)) return;
    context.addIssue({
      code: "custom",
      message: bytes < minBytes ? `must be at least ${minBytes}` : `must be at most ${maxBytes / 1024 / 1024}MiB`,
    });
  });

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Names appear in metrics, logs and references. */
export const name = () =>
  text((value) =>
    NAME.test(value)
      ? null
      : {
          message: "{value} is not a valid name",
          hint: "at most 63 letters, digits, dots, underscores and dashes; begins with a letter or digit",
        },
  ).meta({ pattern: NAME.source });

const PERCENTAGE = /^\d{1,6}%$/;

/** Whole percent, written with their sign. */
export const percentage = (min: number, max: number) =>
  text((value) => {
    if (!PERCENTAGE.test(value)) return { message: "{value} is not a percentage", hint: "write a whole number with a percent sign: 50%" };
    const number = Number(value.slice(0, -1));
    if (number < min) return { message: `must be at least ${min}%` };
    return number > max ? { message: `must be at most ${max}%` } : null;
  }).meta({ pattern: PERCENTAGE.source });

/** Weights are whole numbers, as in the Gateway API. */
export const weight = () => z.int().min(0).max(1_000_000);

/** `host:port` to listen on; port 0 lets the operating system choose. */
export const bindAddress = () =>
  text((value) => {
    if (parseAddress(value) !== null) return null;
    const hint = /^:?\d+$/.test(value)
      ? `write the address too: 0.0.0.0:${value.replace(":", "")}`
      : "write host:port, such as 0.0.0.0:8443 or [::1]:8080";
    return { message: "{value} is not an address to listen on", hint };
  });

/** `host:port` to connect to. */
export const endpointAddress = () =>
  text((value) => {
    const address = parseAddress(value);
    if (address !== null && address.port > 0) return null;
    const hint = /^[a-z]+:\/\//i.test(value)
      ? "leave the scheme out; protocol: https makes it TLS"
      : "write host:port, such as 10.0.1.5:8080";
    return { message: "{value} is not an endpoint address", hint };
  });

export const hostname = () => text(hostnameFlaw);
export const cidr = () => text(cidrFlaw);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export const headerName = () =>
  text((value) =>
    TOKEN.test(value) ? null : { message: "{value} is not a header name", hint: "letters, digits and dashes, without a colon" },
  );

export const headerValue = () =>
  text((value) => {
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) return { message: "must not hold line breaks or other control characters" };
    if (value !== value.trim())
      return { message: "must not begin or end with white space", hint: "a field's value never does, so it could not match" };
    return null;
  });

export const method = () =>
  text((value) => {
    if (/^[A-Z][A-Z-]*$/.test(value)) return null;
    const upper = value.toUpperCase();
    if (/^[A-Z][A-Z-]*$/.test(upper)) return { message: "methods are case-sensitive", hint: `write ${upper}` };
    return { message: "{value} is not a method" };
  });

const RETRY_CONDITION = /^(connect-failure|reset|timeout|malformed|5[0-9]{2})$/;

/** A kind of failure, or a status as text or number. */
export const retryCondition = () =>
  z.union([text(retryConditionFlaw).meta({ pattern: RETRY_CONDITION.source }), z.int().min(500).max(599)]);

function retryConditionFlaw(value: string): Flaw | null {
  if (RETRY_CONDITION.test(value)) return null;
  return {
    message: "{value} is not a retry condition",
    hint: "write connect-failure, reset, timeout, malformed, or a status from 500 to 599",
  };
}

/** The path of a match: what is compared with a request's path, so nothing that a request's path never holds. */
export const matchPath = () =>
  text((value) => {
    if (!value.startsWith("/")) return { message: "must begin with /" };
    if (value.includes("?")) return { message: "must not hold a query", hint: "match the query with queryParams" };
    if (value.includes("#")) return { message: "must not hold a fragment: it is never sent" };
    if (/[^\x21-\x7e]/.test(value))
      return { message: "must be plain ASCII without spaces", hint: `percent-encode it: ${percentEncode(value)}` };
    if (/%(?![0-9A-Fa-f]{2})/.test(value)) return { message: "has a % that is not followed by two hex digits" };
    if (/(^|\/)\.\.?(\/|$)/.test(value)) return { message: "must not hold . or .. segments: requests are matched without them" };
    return null;
  });

/** Lone surrogates have no encoding; long values would drown the message. */
function percentEncode(value: string): string {
  return encodeURI(value.slice(0, 80).replace(/\p{Surrogate}/gu, "\uFFFD"));
}

/** Whom the gateway itself asks. Credentials have fields of their own, which are kept secret. */
export const httpUrl = () =>
  text((value) => {
    if (!URL.canParse(value)) return { message: "{value} is not a URL", hint: "write https://…" };
    const url = new URL(value);
    if (url.protocol !== "https:" && url.protocol !== "http:") return { message: "must be an https:// (or http://) URL" };
    return url.username === "" && url.password === "" ? null : { message: "must not hold a user name or password" };
  });

/** Names in other systems, which have rules of their own: not empty, and one line. */
export const lineOfText = (maxLength: number) =>
  text((value) => {
    if (value === "") return { message: "must not be empty" };
    if (value.length > maxLength) return { message: `must be at most ${maxLength} characters` };
    if (/\p{Surrogate}/u.test(value)) return { message: "must be valid Unicode" };
    return /[\u0000-\u001f\u007f]/.test(value) ? { message: "must not hold control characters" } : null;
  });

/** A path in the file system; relative ones start at the YAML file. */
export const filePath = () =>
  text((value) => {
    if (value === "") return { message: "must not be empty" };
    return value.includes("\0") ? { message: "must not hold a NUL character" } : null;
  });

/** Text in place, or the content of a file. */
export const textOrFile = (inPlace: z.ZodType<string>) => z.union([inPlace, z.strictObject({ file: filePath() })]);
