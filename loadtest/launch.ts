/** Starts Windrose as a user would, from a generated configuration, and waits until it is ready. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { lastWords } from "./peers/peer.js";
import { processTree, type Started, startPinned } from "./processes.js";

export interface LaunchSetting {
  /** Compiled entry point. */
  readonly mainPath: string;
  /** For configuration and log. */
  readonly directory: string;
  /** One, or several as taskset lists them. */
  readonly core: number | string;
  readonly configuration: object;
}

export interface Launched extends Started {
  readonly workerPids: readonly number[];
  readonly logPath: string;
  readonly adminPort: number;
  /** Of a listener, by its name. */
  port(name: string): number;
}

interface Ready {
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly admin: { readonly port: number };
}

/** For profiles: `BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=profiles"` reaches the primary and its workers. */
const NODE_FLAGS = (process.env.BENCH_NODE_FLAGS ?? "").split(" ").filter((flag) => flag !== "");

export async function launch({ mainPath, directory, core, configuration }: LaunchSetting): Promise<Launched> {
  const configPath = join(directory, "windrose.json");
  const logPath = join(directory, "windrose.log");
  // JSON is YAML; generating it needs no library.
  writeFileSync(configPath, JSON.stringify(configuration, null, 2));
  const started = startPinned(
    process.execPath,
    [...NODE_FLAGS, mainPath, "run", "-c", configPath, "--state", join(directory, "state"), "--ready-fd", "3"],
    {
      core,
      logPath,
    },
  );
  const ready = JSON.parse(await readLine(started.channel, logPath)) as Ready;
  return {
    ...started,
    // Keeper, primary, workers.
    workerPids: processTree(started.pid).slice(2),
    logPath,
    adminPort: ready.admin.port,
    port: (name) => ready.listeners.find((listener) => listener.name === name)?.port ?? 0,
  };
}

function readLine(channel: Readable, logPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    channel.setEncoding("utf8");
    channel.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve(text);
    });
    channel.once("end", () => reject(new Error(`Windrose ended before it was ready: ${lastWords(logPath)}`)));
  });
}
