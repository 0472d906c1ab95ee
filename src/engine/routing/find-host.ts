/** Which hostname of a table covers a host most specifically: the same name, the longest wildcard, or any host. */
import type { HostLevel, RouteTable, WildcardHosts } from "./route-table.js";

export function findHost(table: RouteTable, host: string): HostLevel | null {
  return table.exactHosts.get(host) ?? findWildcard(table.wildcardHosts, host) ?? table.anyHost;
}

/** `*.example.com` covers any number of labels before `example.com`, but not `example.com` itself. */
export function findWildcard(wildcards: WildcardHosts, host: string): HostLevel | null {
  if (wildcards.longestSuffix === 0) return null;
  for (let dot = host.indexOf(".", Math.max(1, host.length - wildcards.longestSuffix)); dot !== -1; dot = host.indexOf(".", dot + 1)) {
    const level = wildcards.bySuffix.get(host.slice(dot));
    if (level !== undefined) return level;
  }
  return null;
}
