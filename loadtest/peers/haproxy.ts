/** HAProxy, one thread; in the edge job with jwt_verify, a stick table counting per subject, and a log line per request. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIENCE, ISSUER } from "../fixtures.js";
import { hardFileLimit, startPinned } from "../processes.js";
import { type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

export function createHaproxy(): Peer {
  return { name: "haproxy", label: "HAProxy", routes: 1, version, start };
}

function version(): string | null {
  const result = spawnSync("haproxy", ["-v"], { encoding: "utf8" });
  return result.error === undefined ? (/version (\d[\d.]*)/.exec(result.stdout)?.[1] ?? null) : null;
}

/** HAProxy wants two files for each connection, and refuses to start with fewer. */
function maxConnections(): number {
  return Math.min(10_200, Math.floor(hardFileLimit() / 2) - 50);
}

async function start(setting: PeerSetting): Promise<RunningPeer> {
  const { directory, core, port, scenario } = setting;
  mkdirSync(directory, { recursive: true });
  const configPath = join(directory, "haproxy.cfg");
  const logPath = join(directory, "haproxy.log");
  const accessLogPath = scenario.isEdgeJob ? join(directory, "access.log") : null;
  writeFileSync(configPath, configuration(setting));
  const output = accessLogPath === null ? {} : { stdoutPath: accessLogPath };
  const { pid } = startPinned("haproxy", ["-db", "-f", configPath], { core, logPath, ...output });
  await waitForPort(pid, port, logPath);
  return { pid, port, workerPid: null, accessLogPath, maxConnections: maxConnections(), countRequests: null };
}

function configuration({ scenario, fixtures, port, backendPort }: PeerSetting): string {
  return `
global
  nbthread 1
  maxconn ${maxConnections()}
  ${scenario.isEdgeJob ? "log stdout format raw local0 info" : ""}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 75s
  timeout http-request 10s
  ${scenario.isEdgeJob ? "log global\n  option httplog" : ""}
frontend public
  bind 127.0.0.1:${port} backlog 4096 ${scenario.isTls ? `ssl crt ${fixtures.pemPath} alpn ${scenario.usesH2Listener ? "h2,http/1.1" : "http/1.1"}` : ""}
  option forwardfor
  http-request set-header X-Forwarded-Proto ${scenario.isTls ? "https" : "http"}
  http-request set-header X-Request-Id %[uuid()]
  ${scenario.isEdgeJob ? edgeRules(fixtures.jwtPublicKeyPath) : ""}
  default_backend backend
backend backend
  http-reuse always
  server s1 127.0.0.1:${backendPort} pool-max-conn 256 pool-purge-delay 1h
${scenario.isEdgeJob ? "backend subjects\n  stick-table type string len 64 size 100k expire 60s store http_req_rate(1s)" : ""}
`;
}

/** As in HAProxy's documentation of jwt_verify: everything our own filter checks as well. */
function edgeRules(publicKeyPath: string): string {
  return [
    "http-request set-var(txn.token) http_auth_bearer",
    "http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')",
    "http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')",
    "http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')",
    "http-request set-var(txn.sub) var(txn.token),jwt_payload_query('$.sub')",
    "http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')",
    "http-request set-var(txn.now) date()",
    "http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }",
    `http-request deny deny_status 401 unless { var(txn.iss) -m str ${ISSUER} }`,
    `http-request deny deny_status 401 unless { var(txn.aud) -m str ${AUDIENCE} }`,
    "http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }",
    `http-request deny deny_status 401 unless { var(txn.token),jwt_verify(txn.alg,"${publicKeyPath}") -m int 1 }`,
    "http-request track-sc0 var(txn.sub) table subjects",
    "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }",
  ].join("\n  ");
}
