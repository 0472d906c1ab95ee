/** What a registration says, checked: it comes from outside and becomes an address that requests are sent to. */
import { isIP } from "node:net";
import { formatDuration, parseDuration } from "../engine/model/units.js";
import type { Registration } from "./instance.js";

export type RegistrationRead =
  | { readonly ok: true; readonly registration: Registration }
  | { readonly ok: false; readonly message: string };

const FIELDS = ["address", "weight", "zone", "priority", "labels", "version", "identity", "lease"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const DEFAULT_LEASE_MS = 30_000;
const MIN_LEASE_MS = 1_000;
const MAX_LEASE_MS = 3_600_000;
const MAX_WEIGHT = 1_000_000;
const MAX_PRIORITY = 15;
const MAX_LABELS = 64;
const MAX_TEXT = 256;
const MAX_IDENTITY = 2_048;
/** A SPIFFE ID or another URI with an authority; no query, no fragment. */
const IDENTITY = /^[a-z][a-z0-9+.-]{0,31}:\/\/[A-Za-z0-9._-]+(?::\d{1,5})?(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*$/;

/** Of services and instances. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

export function readRegistration(value: unknown): RegistrationRead {
  if (!isObject(value)) return flaw("the body must be a JSON object");
  const unknown = Object.keys(value).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) return flaw(`${JSON.stringify(unknown.slice(0, 64))} is not a known field: ${FIELDS.join(", ")}`);
  const { address, weight = 1, zone = "", priority = 0, labels = {}, version = "", identity = "", lease } = value;
  if (typeof address !== "string" || splitAddress(address) === null) return flaw("address must be IP:port, IPv6 in brackets");
  if (!isCount(weight, MAX_WEIGHT)) return flaw(`weight must be a whole number from 0 to ${MAX_WEIGHT}`);
  if (!isCount(priority, MAX_PRIORITY)) return flaw(`priority must be a whole number from 0 to ${MAX_PRIORITY}`);
  if (!isText(zone)) return flaw(`zone must be text of at most ${MAX_TEXT} characters`);
  if (!areLabels(labels)) return flaw(`labels must be at most ${MAX_LABELS} texts by name, each of at most ${MAX_TEXT} characters`);
  if (!isText(version)) return flaw(`version must be text of at most ${MAX_TEXT} characters`);
  if (!isIdentity(identity)) return flaw("identity must be a URI such as spiffe://example.internal/service/orders");
  const leaseMs = lease === undefined ? DEFAULT_LEASE_MS : typeof lease === "string" ? parseDuration(lease) : null;
  if (leaseMs === null || leaseMs < MIN_LEASE_MS || leaseMs > MAX_LEASE_MS) return flaw("lease must be a duration from 1s to 1h");
  return { ok: true, registration: { address, weight, zone, priority, labels, version, identity, leaseMs } };
}

/** One that was taken before, by a gateway of this or another version. */
export function readStoredRegistration(value: Readonly<Record<string, unknown>>): Registration | null {
  const { address, weight, zone, priority, labels, version, identity, leaseMs } = value;
  if (!isCount(leaseMs, MAX_LEASE_MS)) return null;
  const read = readRegistration({ address, weight, zone, priority, labels, version, identity, lease: formatDuration(leaseMs as number) });
  return read.ok ? read.registration : null;
}

/** Addresses only: workers should not have to resolve what an instance calls itself. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | null {
  const parts = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|(\d{1,3}(?:\.\d{1,3}){3})):(\d{1,5})$/.exec(address);
  const host = parts?.[1] ?? parts?.[2] ?? "";
  const port = Number(parts?.[3] ?? 0);
  return isIP(host) === 0 || port === 0 || port > 65_535 ? null : { host: host.toLowerCase(), port };
}

function flaw(message: string): RegistrationRead {
  return { ok: false, message };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT && !/\p{Cc}/u.test(value);
}

function isIdentity(value: unknown): value is string {
  return value === "" || (typeof value === "string" && value.length <= MAX_IDENTITY && IDENTITY.test(value));
}

function areLabels(value: unknown): value is Readonly<Record<string, string>> {
  if (!isObject(value)) return false;
  const labels = Object.entries(value);
  return labels.length <= MAX_LABELS && labels.every(([name, text]) => name !== "" && isText(name) && isText(text));
}
