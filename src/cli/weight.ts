/** `windrose weight`: gives an endpoint another weight while the gateway runs. */
import { chooseClient } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { ORDER_FLAGS, ORDER_FLAGS_HELP, overrideText, readFor, sendOverride } from "./override-order.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = ORDER_FLAGS;

export const TEXT: CommandText = {
  usage: "weight SERVICE ADDRESS WEIGHT [--for 30m] [--note TEXT] [--json]",
  about: `Gives an endpoint of a service another weight, whatever its source says; 0 takes no traffic. This outlives reloads and
restarts of the gateway, and the endpoint's absence, until \`windrose restore\` or the end of --for. It changes no configuration.`,
  flags: ORDER_FLAGS_HELP,
  examples: ["windrose weight orders 10.0.1.5:8080 5"],
  words: [],
};

const MAX_WEIGHT = 1_000_000;

export async function weight(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 3);
  if (!line.ok) return refuseUsage("weight", line.message);
  const { json, help, note, for: text, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [service, address, weightText = ""] = line.positionals;
  if (service === undefined || address === undefined) return refuseUsage("weight", "which endpoint? windrose services lists them");
  if (!/^\d{1,7}$/.test(weightText) || Number(weightText) > MAX_WEIGHT) {
    return refuseUsage("weight", `weight "${weightText}" is not a number from 0 to ${MAX_WEIGHT}`);
  }
  const ttlMs = readFor(text);
  if (ttlMs === undefined) return refuseUsage("weight", `--for "${text}" is not a duration from 1s to 366 days`);
  const client = chooseClient("weight", flags);
  if (!client.ok) return client.code;
  const done = await sendOverride(
    client.value,
    { service, address },
    { weight: Number(weightText), note, ttlMs },
    { command: "weight", isJson: json },
  );
  if (!done.ok) return done.code;
  if (json) writeJson(done.value);
  else process.stdout.write(overrideText(done.value, painter(process.stdout)));
  return EXIT.ok;
}
