/** The attacked: Windrose and, where it is installed, nginx with the same limits as far as it has them; one worker each, both on one core. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Fixtures } from "../fixtures.js";
import { launch } from "../launch.js";
import { freePort } from "../measure.js";
import { scrape } from "../metrics.js";
import { startNginx } from "../peers/nginx.js";
import { type AttackTarget, FEW } from "./attacks.js";

export interface GatewaySetting {
  readonly mainPath: string;
  readonly directory: string;
  readonly fixtures: Fixtures;
  readonly core: string;
  readonly backendPort: number;
  readonly backendHttp2Port: number;
}

export interface AttackedGateway extends Omit<AttackTarget, "prefix"> {
  /** Of the process that moves bytes. */
  readonly workerPid: number;
  openConnections(): Promise<number>;
}

const BODY_SECONDS = 10;

export async function startWindrose(setting: GatewaySetting): Promise<AttackedGateway> {
  const directory = join(setting.directory, "windrose");
  mkdirSync(directory);
  const launched = await launch({ ...setting, directory, configuration: configuration(setting) });
  return {
    workerPid: launched.workerPids[0] ?? launched.pid,
    httpPort: launched.port("http"),
    httpsPort: launched.port("https"),
    h2cPort: launched.port("h2c"),
    openConnections: async () => (await scrape(launched.adminPort)).sum("windrose_downstream_connections"),
  };
}

function configuration({ fixtures, backendPort, backendHttp2Port }: GatewaySetting): object {
  const common = { bind: "127.0.0.1:0", timeouts: { request: `${BODY_SECONDS}s` } };
  const tls = { certificates: [{ cert: fixtures.certPath, key: fixtures.keyPath }] };
  return {
    listeners: [
      { ...common, name: "http", protocol: "http" },
      { ...common, name: "https", protocol: "https", tls },
      { ...common, name: "h2c", protocol: "h2c" },
    ],
    routes: [route("all", "/", "backend"), route("few", FEW.http1, "few"), route("few-h2", FEW.http2, "few-h2")],
    services: [
      { name: "backend", endpoints: at(backendPort) },
      { name: "few", endpoints: at(backendPort), circuit: { maxConnections: FEW.places } },
      {
        ...{ name: "few-h2", endpoints: at(backendHttp2Port), protocol: "h2c" },
        ...{ circuit: { maxConnections: 1 }, http2: { maxConcurrentStreams: FEW.places } },
      },
    ],
    telemetry: { accessLog: { path: "off" } },
    admin: { bind: "127.0.0.1:0" },
    workers: 1,
  };
}

/** Without a limit of time, or it would be what ends the slow readers. */
function route(name: string, prefix: string, service: string): object {
  const match = [{ path: { type: "PathPrefix", value: prefix } }];
  return { name, match, backends: [{ service }], timeouts: { request: "0s" } };
}

function at(port: number): object {
  return { static: [{ address: `127.0.0.1:${port}` }] };
}

export async function startNginxPeer(setting: GatewaySetting): Promise<AttackedGateway> {
  const ports = { httpPort: await freePort(), httpsPort: await freePort(), h2cPort: await freePort() };
  const { httpPort } = ports;
  const { pid } = await startNginx(join(setting.directory, "nginx"), nginxServer(setting, ports), httpPort, setting.core);
  const openConnections = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${httpPort}/connections`, { headers: { connection: "close" } })).text();
    return Number(/^Active connections: (\d+)/.exec(text)?.[1]) - 1;
  };
  return { workerPid: pid, ...ports, openConnections };
}

/** It speaks HTTP/1.1 to the service whose few connections we count as streams, and has no queue for them. */
function nginxServer({ fixtures, backendPort }: GatewaySetting, { httpPort, httpsPort, h2cPort }: Omit<AttackTarget, "prefix">): string {
  return `
    upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 1000000000; }
    upstream few { server 127.0.0.1:${backendPort} max_conns=${FEW.places}; keepalive 16; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${httpPort} backlog=4096;
      listen 127.0.0.1:${h2cPort} http2;
      listen 127.0.0.1:${httpsPort} ssl backlog=4096;
      ssl_certificate ${fixtures.certPath}; ssl_certificate_key ${fixtures.keyPath};
      client_header_timeout 12s; client_body_timeout ${BODY_SECONDS}s; keepalive_timeout 12s; send_timeout 5m;
      client_max_body_size 10m;
      location = /connections { stub_status; }
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
      # Neither gateway shall write what slow readers have not read to the disk, nor what slow uploads bring.
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;
      location / { proxy_pass http://backend; }
      location /few { proxy_pass http://few; }
    }`;
}
