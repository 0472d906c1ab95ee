/**
 * Signed, short-lived values for the request field `x-windrose-explain`: who shows one is told in the response how the request was
 * decided. The primary issues them, workers check them with the same secret, which lives as long as the primary.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { ExplainGate } from "../proxy/gateway.js";

export interface ExplainTokenIssuer {
  /** Base64, for the workers. Secret. */
  readonly secret: string;
  issue(ttlMs: number, nowMs: number): { readonly token: string; readonly expiresAtMs: number };
}

const SECRET_BYTES = 32;
const PREFIX = "wx1";
/** Expiry in seconds, then the signature. */
const TOKEN = /^wx1\.(\d{10,12})\.([\w-]{43})$/;

export function createExplainTokenIssuer(): ExplainTokenIssuer {
  const secret = randomBytes(SECRET_BYTES);
  return {
    secret: secret.toString("base64"),
    issue(ttlMs, nowMs) {
      const seconds = Math.ceil((nowMs + ttlMs) / 1000);
      return { token: `${PREFIX}.${seconds}.${sign(secret, String(seconds)).toString("base64url")}`, expiresAtMs: seconds * 1000 };
    },
  };
}

export function createExplainGate(secret: string, now: () => number): ExplainGate {
  const key = Buffer.from(secret, "base64");
  return {
    opensFor(token) {
      const [, seconds, signature] = TOKEN.exec(token) ?? [];
      if (seconds === undefined || signature === undefined || Number(seconds) * 1000 <= now()) return false;
      const given = Buffer.from(signature, "base64url");
      const expected = sign(key, seconds);
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

function sign(key: Buffer, seconds: string): Buffer {
  return createHmac("sha256", key).update(`windrose explain ${seconds}`).digest();
}
