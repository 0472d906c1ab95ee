/**
 * The list of commands and what `windrose`, `windrose help` and a mistyped command answer. Commands are loaded when they
 * are called: help and tokens need none of the gateway's code.
 */
import { nearest } from "../config/hints.js";
import type { Command, CommandMain, CommandShape } from "./command-line.js";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.js";
import { readVersion } from "./package-root.js";

/** The module exports a function of the command's name, and its `FLAGS` and `TEXT`. */
function command<N extends string>(
  name: N,
  summary: string,
  load: () => Promise<CommandShape & Readonly<Record<N, CommandMain>>>,
): Command {
  return {
    name,
    summary,
    async load() {
      const module = await load();
      return { main: module[name], shape: module };
    },
  };
}

/** In the order of help. */
export const COMMANDS: readonly Command[] = [
  command("run", "run the gateway", () => import("./run.js")),
  command("check", "report every problem of a configuration", () => import("./check.js")),
  command("diff", "compare two configurations, object by object", () => import("./diff.js")),
  command("explain", "say what would become of a request, and why", () => import("./explain.js")),
  command("test", "run route tests against a configuration", () => import("./test.js")),
  command("plan", "show what a new configuration changes", () => import("./plan.js")),
  command("status", "show what a running gateway serves", () => import("./status.js")),
  command("reload", "make a running gateway read its configuration", () => import("./reload.js")),
  command("apply", "send a configuration to a running gateway", () => import("./apply.js")),
  command("history", "list the versions a running gateway remembers", () => import("./history.js")),
  command("rollback", "serve a version again", () => import("./rollback.js")),
  command("services", "list services and the state of their endpoints", () => import("./services.js")),
  command("drain", "take an endpoint out of rotation", () => import("./drain.js")),
  command("weight", "give an endpoint another weight", () => import("./weight.js")),
  command("restore", "take a drain or a weight back", () => import("./restore.js")),
  command("upgrade", "let the program on disk take over", () => import("./upgrade.js")),
  command("explain-token", "print a value that asks for explanations", async () => {
    const module = await import("./explain-token.js");
    return { ...module, "explain-token": module.explainToken };
  }),
  command("register", "run a service and keep it registered", () => import("./register.js")),
  command("certs", "make development certificates", () => import("./certs.js")),
  command("token", "print a development token", () => import("./token.js")),
  command("quickstart", "run the example gateway with demo services", () => import("./quickstart.js")),
  command("completion", "print a script that completes commands in a shell", async () => {
    const module = await import("./completion.js");
    return { ...module, completion: (args: string[]) => module.completion(args, COMMANDS) };
  }),
];

const NAMES = COMMANDS.map(({ name }) => name);

/** Runs the command that `args` names; the returned number is the exit code. */
export async function dispatch(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) return printOverview(process.stderr, EXIT.usage);
  if (name === "--help" || name === "-h") return printOverview(process.stdout, EXIT.ok);
  if (name === "--version" || name === "-V") return printVersion();
  if (name === "help") return rest[0] === undefined ? printOverview(process.stdout, EXIT.ok) : await dispatchCommand(rest[0], ["--help"]);
  return await dispatchCommand(name, rest);
}

async function dispatchCommand(name: string, args: string[]): Promise<number> {
  const found = COMMANDS.find((each) => each.name === name);
  if (found === undefined) return refuseUnknown(name);
  const { main } = await found.load();
  return await main(args);
}

function refuseUnknown(name: string): number {
  const near = nearest(name, NAMES);
  const what = name.startsWith("-") ? "option" : "command";
  const hint = near === null ? "" : ` (did you mean "${near}"?)`;
  process.stderr.write(`windrose: unknown ${what} "${name}"${hint}\nTry: windrose --help\n`);
  return EXIT.usage;
}

function printVersion(): number {
  process.stdout.write(`windrose ${readVersion()} (node ${process.versions.node})\n`);
  return EXIT.ok;
}

function printOverview(to: NodeJS.WritableStream, code: number): number {
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(15)}${summary}`);
  to.write(
    [
      "Windrose: one gateway for all four directions.",
      "",
      "Usage: windrose COMMAND [options]",
      "",
      "Commands:",
      ...commands,
      `  ${"help".padEnd(15)}explain a command: windrose help run`,
      "",
      "Options:",
      "  --help      show this text; after a command, that command's",
      "  --version   show the version",
      "",
      "Example:",
      "  windrose run -c config/quickstart.yaml",
      "",
      EXIT_CODES_HELP,
      "",
    ].join("\n"),
  );
  return code;
}
