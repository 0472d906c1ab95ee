/** Host names, `host:port` pairs and CIDRs as text: what is well formed, and what it says. */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

export interface Address {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** `host:port` → its parts; null when malformed. IPv6 must be in brackets. */
export function parseAddress(text: string): Address | null {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (parts === null) return null;
  const port = Number(parts[3]);
  if (port > 65_535) return null;
  const inBrackets = parts[1];
  if (inBrackets !== undefined) return isIPv6(inBrackets) ? { host: inBrackets.toLowerCase(), port } : null;
  const host = (parts[2] as string).toLowerCase();
  return isIPv4(host) || isDnsName(host) ? { host, port } : null;
}

/** Relative DNS name, no trailing dot. A name of digits and dots only is a mistyped IPv4 address. */
export function isDnsName(text: string): boolean {
  return text.length <= 253 && text.split(".").every((label) => LABEL.test(label)) && !/^[\d.]+$/.test(text);
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

/** Hostnames of listeners and routes: exact, or `*.` before a name. */
export function hostnameFlaw(value: string): { message: string; hint?: string } | null {
  const bare = value.startsWith("*.") ? value.slice(2) : value;
  if (isDnsName(bare)) return null;
  if (bare === value && (isIPv4(value) || (value.startsWith("[") && value.endsWith("]") && isIPv6(value.slice(1, -1))))) return null;
  const message = "{value} is not a hostname";
  if (value === "*") return { message, hint: "leave hostnames out to match every host" };
  if (value.includes("*")) return { message, hint: "a wildcard stands alone as the first label: *.example.com" };
  if (value.includes("://")) return { message, hint: "leave the scheme out" };
  if (isIPv6(value)) return { message, hint: "write an IPv6 address in brackets" };
  if (/:\d+$/.test(value)) return { message, hint: "leave the port out: hosts are compared without it" };
  if (value.includes("/")) return { message, hint: "leave the path out; use match.path" };
  if (value.endsWith(".")) return { message, hint: "leave the trailing dot out" };
  const ascii = /[^\x20-\x7e]/.test(value) ? domainToASCII(value) : "";
  return ascii === "" ? { message } : { message, hint: `write it in its ASCII form: ${ascii}` };
}

/** `10.0.0.0/8`, `2001:db8::/32`, or a single address. */
export function cidrFlaw(value: string): { message: string; hint?: string } | null {
  const message = "{value} is not an address range";
  const hint = "write a CIDR such as 10.0.0.0/8 or 2001:db8::/32, or one IP address";
  const parts = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(value);
  const version = parts === null ? 0 : isIP(parts[1] as string);
  if (parts === null || version === 0 || value.includes("%")) return { message, hint };
  const bits = version === 4 ? 32 : 128;
  return Number(parts[2] ?? 0) > bits ? { message, hint: `an IPv${version} prefix has at most ${bits} bits` } : null;
}
