/** `windrose upgrade`: lets the program that is on disk by now take over from a running gateway. */
import { setTimeout as sleep } from "node:timers/promises";
import type { InfoView } from "../admin/views.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminClient } from "./admin-client.js";
import { chooseClient, type Got, readAnswer } from "./admin-command.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  detach: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "upgrade [--detach] [--json]",
  about: `Starts the program anew from disk. The new process takes over and the old one finishes what it has begun; no request
is lost. Waits until the new one answers.`,
  flags: [
    ["--detach", "do not wait"],
    ...ADMIN_FLAGS_HELP,
    ["--json", "print the outcome as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose upgrade --admin unix:/run/windrose/admin.sock"],
  words: [],
};

const WAIT_MS = 120_000;
const POLL_MS = 250;
const INFO_FIELDS = { startedAt: "string", version: "string" } as const;

export async function upgrade(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("upgrade", line.message);
  const { json, help, detach, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const client = chooseClient("upgrade", flags);
  if (!client.ok) return client.code;
  const asking = { command: "upgrade", isJson: json };
  const before = readAnswer<InfoView>(await client.value.get("/v1/info"), INFO_FIELDS, asking);
  if (!before.ok) return before.code;
  const started = readAnswer<{ readonly pid: number }>(await client.value.post("/v1/upgrade", {}), { pid: "number" }, asking);
  if (!started.ok) return started.code;
  const after = detach ? null : await awaitSuccessor(client.value, before.value);
  if (after?.ok === false) return after.code;
  report(started.value.pid, before.value, after?.value ?? null, json);
  return EXIT.ok;
}

/** It is there when somebody answers who was started later. Nobody may answer for a moment in between. */
async function awaitSuccessor(client: AdminClient, before: InfoView): Promise<Got<InfoView>> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (performance.now() < deadlineMs) {
    const answer = await client.get("/v1/info");
    const info = answer.ok ? (answer.body as Partial<InfoView>) : {};
    if (typeof info.startedAt === "string" && info.startedAt !== before.startedAt) return { ok: true, value: info as InfoView };
    await sleep(POLL_MS);
  }
  return { ok: false, code: fail("upgrade", `no new process took over within ${WAIT_MS / 1000} s; the gateway's log says why`) };
}

function report(pid: number, before: InfoView, after: InfoView | null, isJson: boolean): void {
  if (isJson)
    return writeJson({ result: after === null ? "started" : "upgraded", pid, before: before.version, after: after?.version ?? null });
  const paint = painter(process.stdout);
  if (after === null) process.stdout.write(`${paint("green", "✓")} process ${pid} was started and takes over\n`);
  else process.stdout.write(`${paint("green", "✓")} process ${pid} has taken over: windrose ${before.version} → ${after.version}\n`);
}
