/**
 * The gateways of the chaos test, each configured for the same aims as an operator who knows it would: a check every second,
 * out after three failed checks or five failed requests, 1 s to connect, 2 s to answer, two retries on other endpoints.
 * What one cannot do is left out, and said in README.md.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "../launch.js";
import { freePort } from "../measure.js";
import { nginxVersion, startNginx } from "../peers/nginx.js";
import { waitForPort } from "../peers/peer.js";
import { startPinned, stop } from "../processes.js";

export type GatewayName = "windrose" | "windrose-bare" | "nginx" | "haproxy";

export interface GatewaySetting {
  readonly mainPath: string;
  /** Private to this gateway. */
  readonly directory: string;
  readonly core: string;
  readonly endpoints: readonly { readonly address: string; readonly zone: string }[];
  /** Endpoints of zone a first, those of zone b only when these are gone. */
  readonly isZoned: boolean;
  /** Where Windrose shall find its endpoints; null: in its configuration. */
  readonly sources: Sources | null;
}

export interface Sources {
  readonly endpointFile: string;
  readonly dnsServer: string;
  /** An SRV record. */
  readonly dnsName: string;
}

export interface RunningGateway {
  readonly port: number;
  /** Ahead of the numbers in paths. */
  readonly prefixes: readonly string[];
  /** How often endpoints were asked, by number of the request, where that is not once. */
  attempts(): ReadonlyMap<number, number>;
  stop(): Promise<void>;
}

export interface Gateway {
  readonly name: GatewayName;
  readonly label: string;
  /** Null when it is not installed. */
  version(): string | null;
  start(setting: GatewaySetting): Promise<RunningGateway>;
}

const PLAIN = "/r";
const FROM_FILE = "/file";
const FROM_DNS = "/dns";

export const GATEWAYS: readonly Gateway[] = [
  {
    name: "windrose",
    label: "Windrose",
    version: () => `on Node ${process.versions.node}`,
    start: (setting) => startWindrose(setting, GUARDED),
  },
  {
    name: "windrose-bare",
    label: "Windrose, defaults",
    version: () => process.versions.node,
    start: (setting) => startWindrose(setting, BARE),
  },
  { name: "nginx", label: "nginx", version: nginxVersion, start: startNginxPeer },
  { name: "haproxy", label: "HAProxy", version: haproxyVersion, start: startHaproxyPeer },
];

// ── Windrose ─────────────────────────────────────────────────────────────────────────────────────────────────────

interface Policies {
  readonly route: object;
  readonly service: object;
}

const GUARDED: Policies = {
  route: {
    timeouts: { backendRequest: "2s" },
    retry: { attempts: 2, on: ["connect-failure", "reset", "timeout", "malformed", 500, 502, 503, 504] },
  },
  service: {
    health: { path: "/healthz", interval: "1s", timeout: "1s" },
    outlier: {},
    circuit: { breakers: { endpoint: {}, service: {} } },
    timeouts: { connect: "1s" },
  },
};

/** Nothing but what is on when nothing is written. */
const BARE: Policies = { route: {}, service: {} };

async function startWindrose(setting: GatewaySetting, policies: Policies): Promise<RunningGateway> {
  const { mainPath, directory, core, sources } = setting;
  mkdirSync(directory, { recursive: true });
  const logPath = join(directory, "access.log");
  const launched = await launch({ mainPath, directory, core, configuration: windroseConfiguration(setting, policies, logPath) });
  return {
    port: launched.port("public"),
    prefixes: sources === null ? [PLAIN] : [FROM_FILE, FROM_DNS],
    attempts: () => readAttempts(logPath, (line) => (JSON.parse(line) as { readonly attempts: number }).attempts),
    stop: () => stop(launched.pid),
  };
}

function windroseConfiguration({ endpoints, isZoned, sources }: GatewaySetting, { route, service }: Policies, logPath: string): object {
  const found: Record<string, object> =
    sources === null
      ? { [PLAIN]: { static: endpoints.map(({ address, zone }) => ({ address, zone: isZoned ? zone : "" })) } }
      : {
          [FROM_FILE]: { file: { path: sources.endpointFile } },
          [FROM_DNS]: { dns: { type: "SRV", name: sources.dnsName, servers: [sources.dnsServer], timeout: "200ms" } },
        };
  const kinds = Object.entries(found).map(([prefix, from]) => ({ prefix, from, name: prefix.slice(1) }));
  return {
    listeners: [{ name: "public", bind: "127.0.0.1:0", protocol: "http" }],
    routes: kinds.map(({ prefix, name }) => ({ name, match: [{ path: { value: prefix } }], backends: [{ service: name }], ...route })),
    services: kinds.map(({ from, name }) => ({ name, endpoints: from, ...service })),
    ...(isZoned ? { zone: "a" } : {}),
    telemetry: { accessLog: { path: logPath } },
    admin: { bind: "127.0.0.1:0" },
    workers: 1,
  };
}

// ── nginx ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function startNginxPeer(setting: GatewaySetting): Promise<RunningGateway> {
  const port = await freePort();
  const logPath = join(setting.directory, "access.log");
  const { pid } = await startNginx(setting.directory, nginxServers(setting, port, logPath), port, setting.core);
  // "/r/17 127.0.0.1:4001, 127.0.0.1:4002"
  const attempts = (): ReadonlyMap<number, number> => readAttempts(logPath, (line) => line.split(" ").length - 1);
  return { port, prefixes: [PLAIN], attempts, stop: () => stop(pid) };
}

function nginxServers({ endpoints, isZoned }: GatewaySetting, port: number, logPath: string): string {
  const servers = endpoints.map(
    ({ address, zone }) => `server ${address} max_fails=5 fail_timeout=10s${isZoned && zone !== "a" ? " backup" : ""};`,
  );
  return `
    log_format attempts '$request_uri $upstream_addr';
    upstream services { ${servers.join(" ")} keepalive 64; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      access_log ${logPath} attempts;
      location / {
        proxy_pass http://services;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_connect_timeout 1s; proxy_read_timeout 2s; proxy_send_timeout 2s;
        proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504;
        proxy_next_upstream_tries 3; proxy_next_upstream_timeout 15s;
      }
    }`;
}

// ── HAProxy ──────────────────────────────────────────────────────────────────────────────────────────────────────

function haproxyVersion(): string | null {
  const result = spawnSync("haproxy", ["-v"], { encoding: "utf8" });
  return result.error === undefined ? (/version (\d[\d.]*)/.exec(result.stdout)?.[1] ?? null) : null;
}

async function startHaproxyPeer(setting: GatewaySetting): Promise<RunningGateway> {
  const { directory, core } = setting;
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const configPath = join(directory, "haproxy.cfg");
  const logPath = join(directory, "haproxy.log");
  const stdoutPath = join(directory, "access.log");
  writeFileSync(configPath, haproxyConfiguration(setting, port));
  const { pid } = startPinned("haproxy", ["-db", "-f", configPath], { core, logPath, stdoutPath });
  await waitForPort(pid, port, logPath);
  // "/r/17 +1": retries; the sign says that another server was asked.
  const attempts = (): ReadonlyMap<number, number> => readAttempts(stdoutPath, (line) => 1 + Number(line.split(" ")[1]));
  return { port, prefixes: [PLAIN], attempts, stop: () => stop(pid) };
}

/** The second backend is its answer to panic: the same servers without checks, when hardly one of the others is left. */
function haproxyConfiguration({ endpoints, isZoned }: GatewaySetting, port: number): string {
  const servers = endpoints.map(({ address, zone }, i) => `  server s${i} ${address}${isZoned && zone !== "a" ? " backup" : ""}`);
  return `
global
  nbthread 1
  maxconn 2000
  log stdout format raw local0 info
defaults
  mode http
  log global
  timeout connect 1s
  timeout client 60s
  timeout server 2s
  timeout check 1s
  timeout queue 2s
  timeout http-keep-alive 75s
  timeout http-request 10s
  retries 2
  option redispatch 1
  option allbackups
  retry-on conn-failure empty-response junk-response response-timeout 500 502 503 504
frontend public
  bind 127.0.0.1:${port} backlog 4096
  log-format "%HP %rc"
  use_backend unchecked if { nbsrv(services) lt ${isZoned ? 1 : 2} }
  default_backend services
backend services
  balance roundrobin
  http-reuse safe
  option httpchk GET /healthz
  default-server check inter 1s fall 3 rise 2 observe layer7 error-limit 5 on-error mark-down
${servers.join("\n")}
backend unchecked
  balance roundrobin
  http-reuse safe
${servers.join("\n")}
`;
}

// ── Their logs ───────────────────────────────────────────────────────────────────────────────────────────────────

function readAttempts(logPath: string, attemptsIn: (line: string) => number): Map<number, number> {
  const attempts = new Map<number, number>();
  for (const line of readFileSync(logPath, "latin1").split("\n").filter(Boolean)) {
    const number = /\/(\d+)[" ]/.exec(line)?.[1];
    if (number === undefined) continue;
    const count = attemptsIn(line);
    if (count !== 1) attempts.set(Number(number), count);
  }
  return attempts;
}
