/**
 * Which peers may tell us who the client is (`trustedProxies`). Answers are remembered per address, because the same
 * few load balancers ask millions of times.
 */
import { BlockList, isIP, isIPv6 } from "node:net";

const MAX_REMEMBERED = 4096;

export interface TrustedPeers {
  has(address: string): boolean;
}

const NOBODY: TrustedPeers = { has: () => false };

/** @param cidrs `10.0.0.0/8`, `fd00::/8` or single addresses; validated by the configuration layer. */
export function createTrustedPeers(cidrs: readonly string[]): TrustedPeers {
  if (cidrs.length === 0) return NOBODY;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", prefix] = cidr.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  const remembered = new Map<string, boolean>();
  return {
    has(address) {
      const known = remembered.get(address);
      if (known !== undefined) return known;
      const isTrusted = isIP(address) !== 0 && list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(address, isTrusted);
      return isTrusted;
    },
  };
}

/**
 * The client's address as the trusted peers tell it: the rightmost X-Forwarded-For entry that is not itself a trusted
 * proxy. A malformed entry ends the walk, since everything left of it is a stranger's word.
 */
export function clientAddressFrom(forwardedFor: string, peer: string, trusted: TrustedPeers): string {
  let client = peer;
  const hops = forwardedFor.split(",");
  for (let i = hops.length - 1; i >= 0 && trusted.has(client); i--) {
    const hop = addressOf((hops[i] as string).trim());
    if (hop === "") break;
    client = hop;
  }
  return client;
}

/** Strips a port and brackets, as some proxies add them; "" when it is no address. */
function addressOf(hop: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1];
  const bare = bracketed ?? (/^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(":")) : hop);
  return isIP(bare) === 0 ? "" : bare;
}
