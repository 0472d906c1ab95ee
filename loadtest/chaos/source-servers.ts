/** Where Windrose finds its endpoints in the fault "source": a file, and a real dnsmasq with SRV records. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lookup } from "../../src/discovery/dns/lookup.js";
import { startPinned, stop } from "../processes.js";
import { portOutsideEphemeralRange } from "../soak/ports.js";
import type { Endpoint } from "./endpoints.js";
import type { Sources } from "./gateways.js";

export interface SourceServers extends Sources {
  /** The DNS server is killed; the file is emptied, then broken, then gone. */
  spoil(): Promise<void>;
  mend(): Promise<void>;
  end(): Promise<void>;
}

const DNS_NAME = "_app._tcp.chaos.test";
const TTL_S = 1;
const UP_DEADLINE_MS = 5_000;
const STAGE_MS = 1_000;

export async function startSourceServers(directory: string, endpoints: readonly Endpoint[], core: string): Promise<SourceServers> {
  const endpointFile = join(directory, "endpoints.yaml");
  const list = JSON.stringify(endpoints.map(({ address }) => ({ address })));
  writeFileSync(endpointFile, list);
  const dns = new DnsServer(directory, endpoints, core);
  await dns.start();
  return {
    endpointFile,
    dnsServer: dns.address,
    dnsName: DNS_NAME,
    async spoil() {
      dns.kill();
      writeFileSync(endpointFile, "");
      await delay(STAGE_MS);
      writeFileSync(endpointFile, "- { address: ");
      await delay(STAGE_MS);
      rmSync(endpointFile);
    },
    async mend() {
      writeFileSync(endpointFile, list);
      await dns.start();
    },
    end: () => dns.stop(),
  };
}

class DnsServer {
  readonly #directory: string;
  readonly #endpoints: readonly Endpoint[];
  readonly #core: string;
  #port = 0;
  #pid = 0;

  constructor(directory: string, endpoints: readonly Endpoint[], core: string) {
    this.#directory = directory;
    this.#endpoints = endpoints;
    this.#core = core;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    if (this.#port === 0) this.#port = await portOutsideEphemeralRange();
    const configPath = join(this.#directory, "dnsmasq.conf");
    const lines = [
      ...["no-resolv", "no-hosts", "bind-interfaces", "listen-address=127.0.0.1", `port=${this.#port}`, "user=", "group=", "pid-file="],
      ...[`local-ttl=${TTL_S}`, "local=/test/", "cache-size=0", "host-record=app.chaos.test,127.0.0.1"],
      ...this.#endpoints.map(({ port }) => `srv-host=${DNS_NAME},app.chaos.test,${port}`),
    ];
    writeFileSync(configPath, `${lines.join("\n")}\n`);
    const logPath = join(this.#directory, "dnsmasq.log");
    const started = startPinned("dnsmasq", ["--keep-in-foreground", "--log-facility=-", `--conf-file=${configPath}`], {
      core: this.#core,
      logPath,
    });
    this.#pid = started.pid;
    const deadline = Date.now() + UP_DEADLINE_MS;
    while (!(await this.#answers())) {
      if (Date.now() > deadline) throw new Error(`dnsmasq does not answer, see ${logPath}`);
      await delay(20);
    }
  }

  #answers(): Promise<boolean> {
    const options = { servers: [this.address], timeoutMs: 200, stop: new AbortController().signal };
    return lookup(DNS_NAME, "SRV", options).then(
      ({ records }) => records.length > 0,
      () => false,
    );
  }

  kill(): void {
    process.kill(this.#pid, "SIGKILL");
  }

  stop(): Promise<void> {
    return stop(this.#pid);
  }
}
