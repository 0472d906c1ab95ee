/** The processes of the load test besides the gateways: the service, attackers and healthy clients. `cores` as taskset lists them; "": any. */
import { Child } from "../child.js";
import type { AttackReport, AttackSetting } from "./attacker.js";
import type { BackendReport } from "./backend.js";
import type { ProbeOptions, ProbeResult } from "./probe.js";
import type { ProbeReport } from "./prober.js";

export async function startBackend(cores: string): Promise<{ child: Child<BackendReport>; port: number }> {
  const child = new Child<BackendReport>(new URL("./backend.js", import.meta.url), "", "backend", cores);
  return { child, port: (await child.firstReport()).port };
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
