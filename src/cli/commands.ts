/**
 * The list of commands and what `windrose`, `windrose help` and a mistyped command answer. Commands are loaded when they
 * are called: help and tokens need none of the gateway's code.
 */
import { nearest } from "../config/hints.js";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.js";
import { readVersion } from "./package-root.js";

interface Command {
  readonly summary: string;
  /** Takes what follows the command's name, returns the exit code. */
  load(): Promise<(args: string[]) => Promise<number>>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: { summary: "run the gateway", load: async () => (await import("./run.js")).run },
  check: { summary: "report every problem of a configuration", load: async () => (await import("./check.js")).check },
  explain: { summary: "say what would become of a request, and why", load: async () => (await import("./explain.js")).explain },
  test: { summary: "run route tests against a configuration", load: async () => (await import("./test.js")).test },
  plan: { summary: "show what a new configuration changes", load: async () => (await import("./plan.js")).plan },
  status: { summary: "show what a running gateway serves", load: async () => (await import("./status.js")).status },
  reload: { summary: "make a running gateway read its configuration", load: async () => (await import("./reload.js")).reload },
  apply: { summary: "send a configuration to a running gateway", load: async () => (await import("./apply.js")).apply },
  history: { summary: "list the versions a running gateway remembers", load: async () => (await import("./history.js")).history },
  rollback: { summary: "serve a version again", load: async () => (await import("./rollback.js")).rollback },
  upgrade: { summary: "let the program on disk take over", load: async () => (await import("./upgrade.js")).upgrade },
  "explain-token": {
    summary: "print a value that asks for explanations",
    load: async () => (await import("./explain-token.js")).explainToken,
  },
  certs: { summary: "make development certificates", load: async () => (await import("./certs.js")).certs },
  token: { summary: "print a development token", load: async () => (await import("./token.js")).token },
  quickstart: { summary: "run the example gateway with demo services", load: async () => (await import("./quickstart.js")).quickstart },
};

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
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return refuseUnknown(name);
  const run = await command.load();
  return await run(args);
}

function refuseUnknown(name: string): number {
  const near = nearest(name, Object.keys(COMMANDS));
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
  const commands = Object.entries(COMMANDS).map(([name, command]) => `  ${name.padEnd(15)}${command.summary}`);
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
