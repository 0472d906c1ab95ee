/** One fault at one gateway: starts everything, waits, breaks, waits, mends, waits until all is as before, ends everything. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "../child.js";
import { analyse, type RunFigures, recoveryOf } from "./analysis.js";
import { Endpoint } from "./endpoints.js";
import type { Fault } from "./faults.js";
import type { Gateway, RunningGateway } from "./gateways.js";
import type { LoadReport, LoadSetting } from "./load.js";
import { epochMs } from "./shared.js";
import { type SourceServers, startSourceServers } from "./source-servers.js";

export interface RunSetting {
  readonly mainPath: string;
  readonly directory: string;
  readonly gatewayCore: string;
  readonly loadCore: string;
  readonly endpoints: number;
  readonly rate: number;
  /** Of the fault. */
  readonly seconds: number;
  /** At most, after it. */
  readonly recoverySeconds: number;
}

export interface RunResult extends RunFigures {
  readonly fault: RunFigures["fault"];
  /** How late the latest request left the client. */
  readonly worstLateMs: number;
}

const WARM_UP_MS = 1_500;
const HEALTHY_MS = 3_000;
const SHORTEST_RECOVERY_MS = 3_000;
/** With their share again, and still so after this. */
const STABLE_MS = 1_500;
const POLL_MS = 250;
const ENDED_DEADLINE_MS = 25_000;

export async function runFault(fault: Fault, gateway: Gateway, setting: RunSetting): Promise<RunResult> {
  const directory = join(setting.directory, `${fault.name}-${gateway.name}`);
  mkdirSync(directory, { recursive: true });
  const endpoints = await Promise.all(
    Array.from({ length: setting.endpoints }, (_, i) => Endpoint.start(directory, i < setting.endpoints / 2 ? "a" : "b", setting.loadCore)),
  );
  const sources = fault.isAboutSources ? await startSourceServers(directory, endpoints, setting.loadCore) : null;
  try {
    const isZoned = fault.isZoned === true;
    const { mainPath, gatewayCore: core } = setting;
    const running = await gateway.start({ mainPath, directory: join(directory, "gateway"), core, endpoints, isZoned, sources });
    return await new Run(fault, setting, { endpoints, sources, running }).measure();
  } finally {
    await sources?.end();
    for (const endpoint of endpoints) endpoint.end();
  }
}

interface Parts {
  readonly endpoints: readonly Endpoint[];
  readonly sources: SourceServers | null;
  readonly running: RunningGateway;
}

class Run {
  readonly #fault: Fault;
  readonly #setting: RunSetting;
  readonly #parts: Parts;
  readonly #victims: readonly Endpoint[];
  readonly #fairShare: number;
  readonly #periodMs: number;

  constructor(fault: Fault, setting: RunSetting, parts: Parts) {
    this.#fault = fault;
    this.#setting = setting;
    this.#parts = parts;
    this.#victims = fault.victims(parts.endpoints);
    this.#fairShare = fault.isZoned === true ? 1 : this.#victims.length / parts.endpoints.length;
    this.#periodMs = 1000 / setting.rate;
  }

  async measure(): Promise<RunResult> {
    const { running, sources } = this.#parts;
    const load = this.#startLoad();
    const removeLoad = (): void => load.kill();
    process.once("exit", removeLoad);
    try {
      const { startedAtMs } = await load.firstReport();
      await delay(WARM_UP_MS + HEALTHY_MS);
      const faultFromMs = epochMs();
      await this.#fault.begin(this.#victims, sources);
      await delay(Math.max(0, faultFromMs + this.#setting.seconds * 1000 - epochMs()));
      await this.#fault.end(this.#victims, sources);
      const faultUntilMs = epochMs();
      await this.#waitForRecovery(startedAtMs, faultUntilMs);
      const { outcomes, worstLateMs } = await lastReport(load);
      await running.stop();
      const figures = analyse({
        ...{ startedAtMs, periodMs: this.#periodMs, outcomes, attempts: running.attempts(), victims: this.#records() },
        ...{ canStop: this.#victims.length > 0 && this.#fault.hitsAll !== true },
        ...{ fairShare: this.#fairShare, healthyFromMs: startedAtMs + WARM_UP_MS, faultFromMs, faultUntilMs },
      });
      return { ...figures, worstLateMs };
    } finally {
      removeLoad();
      process.off("exit", removeLoad);
      await running.stop();
    }
  }

  #startLoad(): Child<LoadReport> {
    const { port, prefixes } = this.#parts.running;
    const load: LoadSetting = { port, prefixes, rate: this.#setting.rate };
    return new Child<LoadReport>(new URL("./load.js", import.meta.url), JSON.stringify(load), "load", this.#setting.loadCore);
  }

  #records(): ReturnType<Endpoint["records"]> {
    return this.#victims.flatMap((endpoint) => endpoint.records());
  }

  async #waitForRecovery(startedAtMs: number, faultUntilMs: number): Promise<void> {
    await delay(SHORTEST_RECOVERY_MS);
    if (this.#victims.length === 0) return;
    const deadlineMs = faultUntilMs + this.#setting.recoverySeconds * 1000;
    const [fairShare, periodMs] = [this.#fairShare, this.#periodMs];
    for (; epochMs() < deadlineMs; await delay(POLL_MS)) {
      const { fullShareMs } = recoveryOf({ startedAtMs, periodMs, victims: this.#records(), fairShare, faultUntilMs });
      if (fullShareMs !== null && epochMs() > faultUntilMs + fullShareMs + STABLE_MS) return;
    }
  }
}

/** Once everything under way has ended. */
function lastReport(load: Child<LoadReport>): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error("the load does not end")), ENDED_DEADLINE_MS);
    load.process.once("message", (report: LoadReport) => {
      clearTimeout(deadline);
      resolve(report);
    });
    load.process.once("exit", () => reject(new Error(load.end)));
    load.send("stop");
  });
}
