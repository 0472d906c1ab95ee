/** `windrose register`: runs a service, registers it while it runs, and lets it finish what it has when it is told to stop. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { constants, hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { parseDuration } from "../engine/model/units.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { createRegistryClient, type RegistryClient } from "./registry-client.js";

export const FLAGS = {
  service: { type: "string", default: "" },
  address: { type: "string", default: "" },
  id: { type: "string" },
  weight: { type: "string", default: "1" },
  zone: { type: "string", default: "" },
  label: { type: "string", multiple: true },
  version: { type: "string", default: "" },
  identity: { type: "string", default: "" },
  lease: { type: "string", default: "10s" },
  drain: { type: "string", default: "5s" },
  registry: { type: "string", multiple: true },
  "token-file": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage:
    "register --service NAME --address IP:PORT [--id ID] [--weight N] [--zone ZONE] [--label NAME=VALUE]... [--registry URL]... [-- COMMAND...]",
  about:
    "Runs a command and registers the service that it is, as soon as its address takes connections. On SIGTERM and SIGINT the instance is drained first. " +
    "A second signal goes to the command at once. Without a command it registers until it is stopped. Ends with the exit code of the command, 128 and " +
    "the number of the signal that ended it.",
  flags: [
    ["--service NAME", "name of the service in the registry"],
    ["--address IP:PORT", "where the instance takes requests"],
    ["--id ID", "name of the instance (default: host name, port and random digits)"],
    ["--weight N", "share of requests (default: 1)"],
    ["--zone ZONE", "where it runs"],
    ["--label NAME=VALUE", "what subsets choose by; may be repeated"],
    ["--version VERSION", "of the service; subsets see it as the label version"],
    ["--identity URI", "of the service in the mesh, such as spiffe://example.internal/service/orders"],
    ["--lease TIME", "without a heartbeat for so long it gets no more requests (default: 10s)"],
    ["--drain TIME", "between leaving and the signal to the command (default: 5s)"],
    ["--registry URL", "of a gateway's registry; of more that share one, another is asked when one fails (default: http://127.0.0.1:9902)"],
    ["--token-file FILE", "bearer token; default: WINDROSE_REGISTRY_TOKEN"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose register --service orders --address 10.0.1.5:8080 --label version=v2 -- node orders.js"],
};

const CONNECT_RETRY_MS = 100;
/** A registry that hangs must not use up the time that the service has to end. */
const LEAVE_MS = 5_000;
/** As shells say it. */
const SIGNALLED = 128;

export async function register(args: readonly string[]): Promise<number> {
  const at = args.indexOf("--");
  const line = readFlags(at < 0 ? args : args.slice(0, at), FLAGS);
  if (!line.ok) return refuseUsage("register", line.message);
  const flags = line.values;
  if (flags.help) return printHelp(TEXT);
  if (flags.service === "" || flags.address === "") return refuseUsage("register", "--service and --address are required");
  const [leaseMs, drainMs] = [parseDuration(flags.lease), parseDuration(flags.drain)];
  if (leaseMs === null || drainMs === null) return refuseUsage("register", "--lease and --drain are durations such as 10s");
  const labels = labelsOf(flags.label ?? []);
  if (labels === null) return refuseUsage("register", "--label is NAME=VALUE");
  const urls = (flags.registry ?? ["http://127.0.0.1:9902"]).map((url) => url.replace(/\/+$/, ""));
  if (!urls.every((url) => URL.canParse(url) && /^https?:\/\//i.test(url)))
    return refuseUsage("register", "--registry is an http:// or https:// URL");
  let token = "";
  try {
    token = readToken(flags["token-file"]);
  } catch (error) {
    return fail("register", `the token cannot be read: ${(error as Error).message}`);
  }
  const client = createRegistryClient({
    urls,
    service: flags.service,
    id:
      flags.id ??
      `${hostname()
        .replace(/[^A-Za-z0-9.-]/g, "-")
        .slice(0, 40)}-${flags.address.split(":").at(-1)}-${randomBytes(4).toString("hex")}`,
    token,
    registration: {
      ...{ address: flags.address, weight: Number(flags.weight), zone: flags.zone, labels, lease: flags.lease },
      ...{ version: flags.version, identity: flags.identity },
    },
    leaseMs,
    leaveMs: LEAVE_MS,
    log: (message) => void fail("register", message),
  });
  return await runRegistered(client, { command: at < 0 ? [] : args.slice(at + 1), address: flags.address, drainMs });
}

interface Work {
  readonly command: readonly string[];
  readonly address: string;
  readonly drainMs: number;
}

async function runRegistered(client: RegistryClient, { command, address, drainMs }: Work): Promise<number> {
  const child = command.length === 0 ? null : spawn(command[0] as string, command.slice(1), { stdio: "inherit" });
  const ended = child === null ? new Promise<number>(() => {}) : exitOf(child);
  const stopped = stopSignal(child);
  const over = new AbortController();
  const refused = untilOpen(address, over.signal).then(async () => (over.signal.aborted ? null : await client.start()));
  const first = await Promise.race([
    ended,
    stopped,
    refused.then((problem) => (problem === null ? new Promise<never>(() => {}) : { problem })),
  ]);
  over.abort();
  await client.leave();
  if (typeof first === "number") {
    client.close();
    return first;
  }
  if (typeof first === "object") fail("register", first.problem);
  else await drained(ended, drainMs);
  child?.kill(typeof first === "string" ? first : "SIGTERM");
  const code = child === null ? EXIT.ok : await ended;
  client.close();
  return typeof first === "object" ? EXIT.failure : code;
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`windrose register: ${error.message}\n`);
      resolve(EXIT.failure);
    });
    // One that a signal ended which was passed on to it did what it was told to.
    child.once("exit", (code, signal) =>
      resolve(code ?? (signal === null || child.killed ? EXIT.ok : SIGNALLED + constants.signals[signal])),
    );
  });
}

/** The first one; those after it go to the command at once. */
function stopSignal(child: ChildProcess | null): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isFirst = true;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (!isFirst && child === null) process.exit(EXIT.failure);
        if (!isFirst) child?.kill(signal);
        isFirst = false;
        resolve(signal);
      });
    }
  });
}

/** What the instance has been asked is answered, or it has ended by itself. */
async function drained(ended: Promise<number>, drainMs: number): Promise<void> {
  const stop = new AbortController();
  const over = delay(drainMs, undefined, { signal: stop.signal }).catch(() => {});
  await Promise.race([ended, over]);
  stop.abort();
}

/** Nobody is sent to a service that does not listen yet. */
async function untilOpen(address: string, stop: AbortSignal): Promise<void> {
  const colon = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, colon).replace(/^\[|\]$/g, ""), Number(address.slice(colon + 1))];
  while (!stop.aborted && Number.isInteger(port) && port > 0 && port < 65_536) {
    if (await canConnect(host, port)) return;
    await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
  }
}

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const done = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket
      .once("connect", () => done(true))
      .once("error", () => done(false))
      .once("timeout", () => done(false));
  });
}

function labelsOf(texts: readonly string[]): Record<string, string> | null {
  if (texts.some((text) => text.indexOf("=") < 1)) return null;
  return Object.fromEntries(texts.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
}

/** Never from the command line, which others can see. */
function readToken(file: string | undefined): string {
  return file === undefined ? (process.env["WINDROSE_REGISTRY_TOKEN"] ?? "") : readFileSync(file, "utf8").trim();
}
