/**
 * Reads the host out of a Host field or `:authority` (RFC 9110 §7.2), strictly: a host that two parsers could read
 * differently is refused. Callers may remember answers; this file does not.
 */

/** Labels as in DNS, with `_` since container platforms use it; `%`, userinfo and sub-delims have no place here. */
const NAME_AND_PORT = /^([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*)\.?(?::([0-9]{1,5}))?$/;
const IPV6_AND_PORT = /^(\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
/** Some parsers read such a last label as (part of) an IPv4 address. */
const NUMERIC_LABEL = /(?:^|\.)(?:[0-9]+|0[Xx][0-9A-Fa-f]*)$/;
const IPV6_GROUP = /^[0-9A-Fa-f]{1,4}$/;

const MAX_AUTHORITY_LENGTH = 260;
const MAX_NAME_LENGTH = 253;
const MAX_PORT = 65_535;

/** Lower case, without port and one trailing dot, IPv6 in brackets; null when malformed. */
export function normaliseHost(authority: string): string | null {
  if (authority.length > MAX_AUTHORITY_LENGTH) return null;
  const isIpv6 = authority.charCodeAt(0) === 0x5b;
  const parts = (isIpv6 ? IPV6_AND_PORT : NAME_AND_PORT).exec(authority);
  if (parts === null || (parts[2] !== undefined && Number(parts[2]) > MAX_PORT)) return null;
  const host = parts[1] as string;
  if (!(isIpv6 ? isIpv6Address(host.slice(1, -1)) : isName(host))) return null;
  return host.toLowerCase();
}

function isName(host: string): boolean {
  if (host.length > MAX_NAME_LENGTH) return false;
  return !NUMERIC_LABEL.test(host) || IPV4.test(host);
}

/** RFC 4291 §2.2: eight groups, one `::` for at least one of them, an IPv4 address for the last two. */
function isIpv6Address(address: string): boolean {
  const halves = address.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  halves.forEach((half, index) => {
    groups += countGroups(half, index === halves.length - 1);
  });
  return halves.length === 1 ? groups === 8 : groups <= 7;
}

/** NaN, which no comparison above survives, when a group is malformed. */
function countGroups(half: string, isLast: boolean): number {
  if (half === "") return 0;
  const groups = half.split(":");
  let count = groups.length;
  groups.forEach((group, index) => {
    if (IPV6_GROUP.test(group)) return;
    const isIpv4Tail = isLast && index === groups.length - 1 && IPV4.test(group);
    count = isIpv4Tail ? count + 1 : Number.NaN;
  });
  return count;
}
