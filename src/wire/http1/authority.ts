/**
 * Host and port, as Host fields and request targets carry them (RFC 9110 §7.2, RFC 3986 §3.2). Of all that the grammar
 * allows as a name, only what DNS and hosts files know: sub-delimiters and percent-encoding in a name have no use but to
 * be read differently by somebody else. No user information, no zone identifiers, no empty ports.
 */

const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,254}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const GROUP = /^[0-9A-Fa-f]{1,4}$/;
const IPV6_GROUPS = 8;
const MAX_PORT = 65_535;

export function isAuthority(text: string): boolean {
  const match = HOST.exec(text);
  if (match === null) return false;
  const [, literal, port] = match;
  return (port === undefined || Number(port) <= MAX_PORT) && (literal === undefined || isIpv6(literal));
}

/** As CONNECT needs it: with a port, which is not 0 (RFC 9110 §9.3.6). */
export function isAuthorityWithPort(text: string): boolean {
  return isAuthority(text) && /:0*[1-9][0-9]*$/.test(text) && !text.endsWith("]");
}

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const last = groups[groups.length - 1] as string[];
  let count = 0;
  if (last.length > 0 && IPV4.test(last[last.length - 1] as string)) {
    last.pop();
    count = 2;
  }
  for (const group of groups.flat()) if (!GROUP.test(group)) return false;
  count += groups.flat().length;
  return halves.length === 2 ? count < IPV6_GROUPS : count === IPV6_GROUPS;
}
