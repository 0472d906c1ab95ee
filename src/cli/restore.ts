/** `windrose restore`: takes back what `drain` and `weight` said of an endpoint. */
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { overridePath, type Place } from "./override-order.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "restore SERVICE ADDRESS [--json]",
  about: `Takes back what \`windrose drain\` and \`windrose weight\` said of an endpoint: it is again what its source says.`,
  flags: [...ADMIN_FLAGS_HELP, ["--json", "print the outcome as JSON, for scripts"], ["-h, --help", "show this text"]],
  examples: ["windrose restore orders 10.0.1.5:8080"],
  words: [],
};

interface Restored extends Place {
  readonly isKept: boolean;
}

export async function restore(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 2);
  if (!line.ok) return refuseUsage("restore", line.message);
  const { json, help, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [service, address] = line.positionals;
  if (service === undefined || address === undefined) return refuseUsage("restore", "which endpoint? windrose services lists them");
  const client = chooseClient("restore", flags);
  if (!client.ok) return client.code;
  const answer = await client.value.delete(overridePath({ service, address }));
  const done = readAnswer<Restored>(answer, { service: "string", address: "string" }, { command: "restore", isJson: json });
  if (!done.ok) return done.code;
  if (!done.value.isKept) {
    fail("restore", "the gateway could not write it to its disk: what was said is back when its process is started again", EXIT.ok);
  }
  if (json) writeJson(done.value);
  else {
    const paint = painter(process.stdout);
    process.stdout.write(`${paint("bold", done.value.address)} of service ${paint("bold", service)} is what its source says\n`);
  }
  return EXIT.ok;
}
