/** Caddy with one processor's worth of Go. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPinned } from "../processes.js";
import { type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

export function createCaddy(): Peer {
  return { name: "caddy", label: "Caddy", routes: 1, version, start };
}

function version(): string | null {
  const result = spawnSync("caddy", ["version"], { encoding: "utf8" });
  return result.error === undefined ? (/v?(\d[\d.]*)/.exec(result.stdout)?.[1] ?? null) : null;
}

async function start({ directory, core, port, backendPort, scenario, fixtures }: PeerSetting): Promise<RunningPeer> {
  mkdirSync(directory, { recursive: true });
  const configPath = join(directory, "Caddyfile");
  const logPath = join(directory, "caddy.log");
  writeFileSync(
    configPath,
    `{
	admin off
	auto_https off
	default_sni localhost
	servers {
		protocols h1${scenario.usesH2Listener ? " h2" : ""}
	}
}
${scenario.isTls ? "https" : "http"}://:${port} {
	bind 127.0.0.1
	${scenario.isTls ? `tls ${fixtures.certPath} ${fixtures.keyPath}` : ""}
	reverse_proxy 127.0.0.1:${backendPort} {
		transport http {
			keepalive 1h
			keepalive_idle_conns 256
			keepalive_idle_conns_per_host 256
			compression off
		}
	}
}\n`,
  );
  const env = { GOMAXPROCS: "1", XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory, HOME: directory };
  const { pid } = startPinned("caddy", ["run", "--adapter", "caddyfile", "--config", configPath], { core, logPath, env });
  await waitForPort(pid, port, logPath);
  return { pid, port, workerPid: null, accessLogPath: null, countRequests: null };
}
