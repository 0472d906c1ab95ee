/** What `windrose quickstart` prints when it is ready: what runs where, and three commands that show what it does. */
import type { GatewayInfo } from "../control/primary.js";
import { staticEndpointsOf } from "../engine/model/endpoint-source.js";
import type { RouteSpec, Snapshot } from "../engine/model/snapshot.js";

export interface QuickstartFacts {
  readonly info: GatewayInfo;
  readonly snapshot: Snapshot;
  readonly token: string;
  /** As typed in the reader's folder. */
  readonly caPath: string;
}

/** Enough requests beyond the limit that the end of the loop is surely refused. */
const REQUESTS_BEYOND_LIMIT = 5;
const REQUESTS_WITHOUT_LIMIT = 10;

export function describeQuickstart(facts: QuickstartFacts): string {
  return [
    "",
    "Windrose is running:",
    "",
    ...describeAddresses(facts),
    "",
    "Try it from another terminal in this folder:",
    "",
    ...describeCommands(facts),
    "",
    "Ctrl-C stops everything.",
    "",
    "",
  ].join("\n");
}

function describeAddresses({ info, snapshot }: QuickstartFacts): string[] {
  const listeners = info.listeners.map(({ name, port }) => {
    const protocol = snapshot.listeners.find((listener) => listener.name === name)?.protocol ?? "http";
    return row(protocol, `${protocol}://localhost:${port}`, `listener "${name}"`);
  });
  const services = snapshot.services.map((service) => {
    const addresses = staticEndpointsOf(service.endpoints).map(({ host, port }) =>
      host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    );
    return row("service", addresses.join(", "), `demo service "${service.name}"`);
  });
  return [...listeners, row("admin", info.admin.url, "/metrics /healthz /readyz"), ...services];
}

function row(kind: string, address: string, what: string): string {
  return `  ${kind.padEnd(8)} ${address.padEnd(32)} ${what}`;
}

/** 200, 401 and 429, on the first route that asks for a token. */
function describeCommands(facts: QuickstartFacts): string[] {
  const { info, snapshot, token, caPath } = facts;
  const route = snapshot.routes.find((candidate) => hasFilter(candidate, "jwt"));
  const secure = info.listeners.find(({ name }) =>
    snapshot.listeners.some((listener) => listener.name === name && listener.protocol === "https"),
  );
  if (route === undefined || secure === undefined)
    return ["  (this configuration has no https listener with a route that asks for a token)"];
  const path = route.match[0]?.path.value ?? "/";
  const url = `https://localhost:${secure.port}${path === "/" ? "/" : `${path}/1`}`;
  const curl = `curl --cacert ${caPath}`;
  const bearer = `-H 'Authorization: Bearer ${token}'`;
  return [
    "# 200: with a token",
    `${curl} ${bearer} ${url}`,
    "",
    "# 401: without",
    `${curl} ${url}`,
    "",
    "# 429: after the limit",
    `for i in $(seq ${requestsToExceed(route)}); do ${curl} -s -o /dev/null -w '%{http_code}\\n' ${bearer} ${url}; done`,
  ];
}

function hasFilter(route: RouteSpec, type: string): boolean {
  return route.filters.some((filter) => filter.type === type);
}

function requestsToExceed(route: RouteSpec): number {
  const config = route.filters.find((filter) => filter.type === "rateLimit")?.config as { limit?: number; burst?: number } | undefined;
  return config === undefined ? REQUESTS_WITHOUT_LIMIT : (config.limit ?? 0) + (config.burst ?? 0) + REQUESTS_BEYOND_LIMIT;
}
