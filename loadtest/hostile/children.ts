/** The processes of the load test besides the gateways: the service, attackers and healthy clients. `cores` as taskset lists them; "": any. */
import { Child } from "../child.js";
import type { AttackReport, AttackSetting } from "./attacker.js";
import type { BackendReport } from "./backend.js";
import type { ProbeOptions, ProbeResult } from "./probe.js";
import type { ProbeReport } from "./prober.js";

export interface Backend {
  readonly child: Child<BackendReport>;
  readonly port: number;
  readonly http2Port: number;
}

export async function startBackend(cores: string): Promise<Backend> {
  const child = new Child<BackendReport>(new URL("./backend.js", import.meta.url), "", "backend", cores);
  const { port, http2Port } = await child.firstReport();
  return { child, port, http2Port };
}

export function startAttack(setting: AttackSetting, cores = ""): Child<AttackReport> {
  return new Child<AttackReport>(new URL("./attacker.js", import.meta.url), JSON.stringify(setting), "attack", cores);
}

export async function probe(options: ProbeOptions, cores = ""): Promise<ProbeResult> {
  const child = new Child<ProbeReport>(new URL("./prober.js", import.meta.url), JSON.stringify(options), "probe", cores);
  try {
    return await child.firstReport();
  } finally {
    child.kill();
  }
}
