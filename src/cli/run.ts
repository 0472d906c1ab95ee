/** `windrose run`: loads a configuration and runs the gateway until it is told to stop. */
import { closeSync, writeSync } from "node:fs";
import { isStartedByKeeper } from "../control/keeper-protocol.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";

export const FLAGS = {
  config: { type: "string", short: "c" },
  single: { type: "boolean", default: false },
  state: { type: "string", default: "" },
  "last-good": { type: "boolean", default: false },
  "ready-fd": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "run -c FILE [--state DIR] [--last-good] [--single] [--ready-fd N]",
  about: `Runs the gateway with a configuration: a YAML file, or a directory of them. A change of the file, or SIGHUP, is
served at once when it has no problems. SIGTERM or Ctrl-C stops accepting, finishes what is in flight and exits;
SIGUSR2 upgrades to the code on disk without losing a request.`,
  flags: [
    ["-c, --config FILE", "the configuration"],
    ["--state DIR", "where versions and the audit log are kept (default: $STATE_DIRECTORY or ~/.local/state/windrose)"],
    ["--last-good", "when the configuration has problems, start with the last version that had none"],
    ["--single", "one process instead of a primary and its workers; for debugging"],
    ["--ready-fd N", "when ready, write one line of JSON with the bound ports to file descriptor N and close it"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose run -c config/quickstart.yaml"],
  words: [],
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
  if (!single && !isStartedByKeeper()) return await keep(args, readyFd);
  const { serve } = await import("./serve.js");
  const onReady = (line: string): unknown => readyFd !== null && announce(line, readyFd);
  return await serve({ config, state, isLastGoodEnough, isSingle: single, onReady });
}

/** This process only watches; what it starts is the same command again. Nothing of the gateway is loaded. */
async function keep(args: readonly string[], readyFd: number | null): Promise<number> {
  const { runKeeper } = await import("../control/keeper.js");
  const entry = process.argv[1] as string;
  const code = await runKeeper({ entry, args: ["run", ...args], readyFd, onReady: (line) => readyFd !== null && announce(line, readyFd) });
  // Ending by itself takes a moment in which a further signal would decide the exit code.
  process.exit(code);
}

/** For programs that started us: one line, then end of file. Standard output and error stay open. */
function announce(line: string, fd: number): void {
  writeSync(fd, `${line}\n`);
  if (fd > 2) closeSync(fd);
}
