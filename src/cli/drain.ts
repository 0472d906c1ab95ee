/** `windrose drain`: takes an endpoint out of rotation while the gateway runs. */
import { chooseClient } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { ORDER_FLAGS, ORDER_FLAGS_HELP, overrideText, readFor, sendOverride } from "./override-order.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = ORDER_FLAGS;

export const TEXT: CommandText = {
  usage: "drain SERVICE ADDRESS [--for 30m] [--note TEXT] [--json]",
  about: `Takes an endpoint of a service out of rotation: it gets no new requests while others can take them, and what it has
under way finishes, WebSockets too. This outlives reloads and restarts of the gateway, and the endpoint's absence, until
\`windrose restore\` or the end of --for. It changes no configuration.`,
  flags: ORDER_FLAGS_HELP,
  examples: ['windrose drain orders 10.0.1.5:8080 --for 30m --note "new kernel"'],
  words: [],
};

export async function drain(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 2);
  if (!line.ok) return refuseUsage("drain", line.message);
  const { json, help, note, for: text, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [service, address] = line.positionals;
  if (service === undefined || address === undefined) return refuseUsage("drain", "which endpoint? windrose services lists them");
  const ttlMs = readFor(text);
  if (ttlMs === undefined) return refuseUsage("drain", `--for "${text}" is not a duration from 1s to 366 days`);
  const client = chooseClient("drain", flags);
  if (!client.ok) return client.code;
  const done = await sendOverride(
    client.value,
    { service, address },
    { isDraining: true, note, ttlMs },
    { command: "drain", isJson: json },
  );
  if (!done.ok) return done.code;
  if (json) writeJson(done.value);
  else process.stdout.write(overrideText(done.value, painter(process.stdout)));
  return EXIT.ok;
}
