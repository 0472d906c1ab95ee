/** nginx as a contestant and, on the load generator's core, as the backend of all contestants. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SMALL_BODY } from "../fixtures.js";
import { type Started, startPinned } from "../processes.js";
import { type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

export function createNginx(): Peer {
  return { name: "nginx", label: "nginx", routes: 1, version: nginxVersion, start };
}

export function nginxVersion(): string | null {
  const result = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return result.error === undefined ? (/nginx\/([\d.]+)/.exec(result.stderr)?.[1] ?? null) : null;
}

async function start(setting: PeerSetting): Promise<RunningPeer> {
  const { pid } = await startNginx(setting.directory, gatewayServer(setting), setting.port, setting.core);
  return { pid, port: setting.port, workerPid: null, accessLogPath: null, countRequests: null };
}

function gatewayServer({ scenario, fixtures, port, backendPort }: PeerSetting): string {
  const tls = scenario.isTls ? `ssl_certificate ${fixtures.certPath}; ssl_certificate_key ${fixtures.keyPath};` : "";
  return `
    upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port}${scenario.isTls ? " ssl" : ""}${scenario.usesH2Listener ? " http2" : ""} backlog=4096;
      ${tls}
      ${scenario.http === "2" ? "http2_max_concurrent_streams 128;" : ""}
      client_max_body_size 10m; client_body_buffer_size 128k;
      location / { ${scenario.isGrpc ? passGrpc() : pass()} }
    }`;
}

function pass(): string {
  return `
        proxy_pass http://backend;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        ${forwardedFields("proxy_set_header")}`;
}

function passGrpc(): string {
  return `grpc_pass grpc://backend; ${forwardedFields("grpc_set_header")}`;
}

function forwardedFields(directive: string): string {
  return `
        ${directive} X-Forwarded-For $proxy_add_x_forwarded_for;
        ${directive} X-Forwarded-Proto $scheme;
        ${directive} X-Request-Id $request_id;`;
}

/** Fixed answers from memory, and for uploads an answer once the whole body has been read. */
export async function startBackend(directory: string, htmlDirectory: string, port: number, core: number): Promise<Started> {
  const server = `
    open_file_cache max=10 inactive=1h; open_file_cache_valid 1h;
    upstream self { server 127.0.0.1:${port}; keepalive 256; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      default_type application/json;
      client_max_body_size 0; client_body_buffer_size 128k;
      location / { return 200 '${SMALL_BODY}'; }
      location = /large { root ${htmlDirectory}; }
      location = /mebibyte { root ${htmlDirectory}; }
      location = /upload {
        proxy_pass http://self/;
        proxy_http_version 1.1;
        proxy_method GET;
        proxy_set_header Connection "";
        proxy_set_header Content-Length "";
        proxy_pass_request_body off;
      }
    }`;
  return startNginx(directory, server, port, core);
}

/** @param servers blocks of its `http` block; @param port one that they open */
export async function startNginx(directory: string, servers: string, port: number, core: number | string): Promise<Started> {
  mkdirSync(directory, { recursive: true });
  const configPath = join(directory, "nginx.conf");
  const logPath = join(directory, "nginx.log");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(" ");
  writeFileSync(
    configPath,
    `daemon off; master_process off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${logPath} warn;
  worker_rlimit_nofile 65536;
  events { worker_connections 24000; }
  http {
    access_log off; ${temporary}
    sendfile on; tcp_nopush on; keepalive_timeout 1h; keepalive_requests 1000000000;
    ${servers}
  }\n`,
  );
  const started = startPinned("nginx", ["-p", directory, "-e", logPath, "-c", configPath], { core, logPath });
  await waitForPort(started.pid, port, logPath);
  return started;
}
