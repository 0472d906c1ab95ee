/** The gateway itself, behind `windrose run`: in the process that a keeper started, or with `--single` in the only one. */
import { connectKeeper } from "../control/keeper-client.js";
import { type GatewayInfo, runGateway } from "../control/primary.js";
import { stateDirectory } from "../control/state-directory.js";
import type { Snapshot } from "../engine/model/snapshot.js";
import { EXIT } from "./exit-codes.js";
import { loadFirst } from "./first-configuration.js";
import { readVersion } from "./package-root.js";

export interface ServeOptions {
  readonly config: string;
  /** Of the command line; "" for none. */
  readonly state: string;
  /** When the configuration has problems, the last version that had none is started with. */
  readonly isLastGoodEnough: boolean;
  readonly isSingle: boolean;
  /** Without a keeper. */
  readonly onReady: (line: string) => void;
}

export async function serve({ config, state, isLastGoodEnough, isSingle, onReady }: ServeOptions): Promise<number> {
  const keeper = connectKeeper();
  // Meant for the keeper, when it reaches the whole process group.
  if (keeper !== null) process.on("SIGUSR2", () => {});
  try {
    const directory = stateDirectory(state, process.env, config);
    // What another primary served is served on, whatever lies on disk by now.
    const resumes = keeper?.predecessor?.version ?? null;
    const first = loadFirst({ path: config, stateDirectory: directory, isLastGoodEnough, resumes });
    if (first === null) return EXIT.configuration;
    process.stderr.write(describeSnapshot(first.snapshot, config));
    const ready = (info: GatewayInfo): void => {
      process.stderr.write(describeReady(info));
      const line = readyLine(info);
      if (keeper === null) onReady(line);
      else keeper.tellReady(line);
    };
    return await runGateway({ first, stateDirectory: directory, isSingle, version: readVersion(), onReady: ready, keeper });
  } finally {
    keeper?.close();
  }
}

function describeSnapshot(snapshot: Snapshot, config: string): string {
  const { listeners, routes, services, version } = snapshot;
  const parts = [count(listeners.length, "listener"), count(routes.length, "route"), count(services.length, "service")];
  return `windrose ${readVersion()}: ${config} (version ${version.slice(0, 12)}): ${parts.join(", ")}\n`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function describeReady(info: GatewayInfo): string {
  const lines = info.listeners.map((listener) => `windrose: listening on ${listener.url} (${listener.name})\n`);
  return `${lines.join("")}windrose: admin on ${info.admin.url},${info.registry === null ? "" : ` registry on ${info.registry.url},`} ${count(info.workers, "worker")}, ready\n`;
}

function readyLine(info: GatewayInfo): string {
  const listeners = info.listeners.map(({ name, port }) => ({ name, port }));
  return JSON.stringify({ listeners, admin: { port: info.admin.port }, registry: info.registry });
}
