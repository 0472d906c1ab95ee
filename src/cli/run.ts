/** `windrose run`: loads a configuration and runs the gateway until it is told to stop. */
import { closeSync, writeSync } from "node:fs";
import { type GatewayInfo, runGateway } from "../control/primary.js";
import { stateDirectory } from "../control/state-directory.js";
import type { Snapshot } from "../engine/model/snapshot.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { loadFirst } from "./first-configuration.js";
import { readVersion } from "./package-root.js";

const FLAGS = {
  config: { type: "string", short: "c" },
  single: { type: "boolean", default: false },
  state: { type: "string", default: "" },
  "last-good": { type: "boolean", default: false },
  "ready-fd": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

const TEXT: CommandText = {
  usage: "run -c FILE [--state DIR] [--last-good] [--single] [--ready-fd N]",
  about: `Runs the gateway with a configuration: a YAML file, or a directory of them. A change of the file, or SIGHUP, is
served at once when it has no problems. SIGTERM or Ctrl-C stops accepting, finishes what is in flight and exits.`,
  flags: [
    ["-c, --config FILE", "the configuration"],
    ["--state DIR", "where versions and the audit log are kept (default: $STATE_DIRECTORY or ~/.local/state/windrose)"],
    ["--last-good", "when the configuration has problems, start with the last version that had none"],
    ["--single", "one process instead of a primary and its workers; for debugging"],
    ["--ready-fd N", "when ready, write one line of JSON with the bound ports to file descriptor N and close it"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose run -c config/quickstart.yaml"],
};

export async function run(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("run", line.message);
  const { config, single, state, "last-good": isLastGoodEnough, help, "ready-fd": readyFdText } = line.values;
  if (help) return printHelp(TEXT);
  if (config === undefined) return refuseUsage("run", "say which configuration: -c FILE");
  const readyFd = readyFdText === undefined ? null : Number(readyFdText);
  if (readyFd !== null && !(Number.isInteger(readyFd) && readyFd >= 1))
    return refuseUsage("run", `--ready-fd "${readyFdText}" is not a file descriptor`);
  const directory = stateDirectory(state, process.env, config);
  const first = loadFirst({ path: config, stateDirectory: directory, isLastGoodEnough, isResuming: false });
  if (first === null) return EXIT.configuration;
  process.stderr.write(describeSnapshot(first.snapshot, config));
  const onReady = (info: GatewayInfo): void => {
    process.stderr.write(describeReady(info));
    if (readyFd !== null) announceReady(info, readyFd);
  };
  return await runGateway({ first, stateDirectory: directory, isSingle: single, version: readVersion(), onReady });
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
  return `${lines.join("")}windrose: admin on ${info.admin.url}, ${count(info.workers, "worker")}, ready\n`;
}

/** For programs that started us: one line, then end of file. Standard output and error stay open. */
function announceReady(info: GatewayInfo, fd: number): void {
  const listeners = info.listeners.map(({ name, port }) => ({ name, port }));
  writeSync(fd, `${JSON.stringify({ listeners, admin: { port: info.admin.port } })}\n`);
  if (fd > 2) closeSync(fd);
}
