/**
 * Who may ask the admin server. Two doors: a Bearer token when one is configured, and on loopback a check of the Host field,
 * because a web page may resolve its own name to 127.0.0.1 and read answers as same-origin (DNS rebinding).
 */
import { createHash, timingSafeEqual } from "node:crypto";

/** 127.0.0.0/8, ::1 and localhost: only this machine reaches them. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127(\.\d{1,3}){3}$/.test(bare) || bare.startsWith("::ffff:127.");
}

/** @param hostField the Host field, e.g. `localhost:9901` */
export function namesLoopback(hostField: string | undefined): boolean {
  if (hostField === undefined) return false;
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(hostField);
  return match !== null && isLoopbackHost(match[1] as string);
}

/** Compares digests: neither the time nor an exception tells how much of a guess was right, or its length. */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}

function digest(value: string): Buffer {
  return createHash("sha256").update(value).digest();
}
