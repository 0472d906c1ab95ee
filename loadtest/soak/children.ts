/** The processes of the harness besides the gateway: forked, pinned to the cores of the load, and ended with their parent. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoadReport, LoadSetting } from "./load.js";
import type { ServicesReady, ServicesReport } from "./services.js";

export class Child<Report extends { readonly type: string }> {
  readonly #child: ChildProcess;
  /** The latest; null before the first. */
  report: Report | null = null;
  /** Why it ended; "" while it runs. */
  end = "";

  constructor(entry: string, argument: string, cores: string, type: Report["type"]) {
    const path = fileURLToPath(new URL(`./${entry}.js`, import.meta.url));
    // Node.js is started by taskset, which hands the channel on.
    this.#child = fork(path, [argument], { execPath: "taskset", execArgv: ["-c", cores, process.execPath, "--enable-source-maps"] });
    this.#child.on("message", (message: Report) => {
      if (message.type === type) this.report = message;
    });
    this.#child.once("exit", (code, signal) => {
      this.end = `${entry} ended with ${signal ?? code}`;
    });
  }

  get process(): ChildProcess {
    return this.#child;
  }

  send(message: string): void {
    this.#child.send(message);
  }

  kill(): void {
    if (this.end === "") this.#child.kill("SIGKILL");
  }
}

export async function startServices(seed: number, cores: string): Promise<{ child: Child<ServicesReport>; ports: ServicesReady["ports"] }> {
  const child = new Child<ServicesReport>("services", String(seed), cores, "services");
  const ports = await new Promise<ServicesReady["ports"]>((resolve, reject) => {
    child.process.on("message", (message: ServicesReady) => {
      if (message.type === "ready") resolve(message.ports);
    });
    child.process.once("exit", () => reject(new Error(child.end)));
  });
  return { child, ports };
}

export function startLoad(setting: LoadSetting, cores: string): Child<LoadReport> {
  return new Child<LoadReport>("load", JSON.stringify(setting), cores, "load");
}
