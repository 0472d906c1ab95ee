/**
 * `npm run chaos`: what callers feel of services that die, hang, lie or fail, with Windrose in front, and with nginx and HAProxy.
 * All processes are real; gateways have one core, services and clients the other. The parts are in chaos/.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endAllEndpoints } from "./chaos/endpoints.js";
import type { Fault } from "./chaos/faults.js";
import type { Gateway } from "./chaos/gateways.js";
import { CHAOS_USAGE, type ChaosOptions, readChaosOptions } from "./chaos/options.js";
import { type RunSetting, runFault } from "./chaos/run.js";
import { formatLine, formatRows, type Row } from "./chaos/table.js";
import { killEverything } from "./processes.js";

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const options = readChaosOptions(args);
  if (options === null) {
    say(CHAOS_USAGE);
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), "windrose-chaos-"));
  if (options.keepsLogs) say(`logs and records: ${directory}`);
  else process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const rows: Row[] = [];
  for (const fault of options.faults) rows.push(...(await measure(fault, options, { ...options, mainPath: MAIN, directory })));
  const report = formatRows(rows, options, args);
  say(`\n${report}`);
  if (options.markdownPath !== "") writeFileSync(options.markdownPath, report);
  if (options.outPath !== "")
    writeFileSync(options.outPath, `${JSON.stringify({ date: new Date().toISOString(), args, rows }, null, 2)}\n`);
  return 0;
}

async function measure(fault: Fault, options: ChaosOptions, setting: RunSetting): Promise<Row[]> {
  const gateways = options.gateways.filter(({ name }) => fault.isAboutSources !== true || name.startsWith("windrose"));
  say(`${fault.name}: ${fault.title}`);
  const runs = gateways.map((gateway) => async (): Promise<Row> => await measureOne(fault, gateway, setting));
  if (!options.isInTurn) return await Promise.all(runs.map((run) => run()));
  const rows: Row[] = [];
  for (const run of runs) rows.push(await run());
  return rows;
}

async function measureOne(fault: Fault, gateway: Gateway, setting: RunSetting): Promise<Row> {
  const result = await runFault(fault, gateway, setting);
  const row = { fault: fault.name, title: fault.title, gateway: gateway.name, label: gateway.label, result };
  say(formatLine(row));
  return row;
}

process.once("exit", killEverything);
process.once("exit", endAllEndpoints);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`chaos: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
process.exit();
