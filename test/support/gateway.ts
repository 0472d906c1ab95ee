/**
 * Starts a real gateway from a configuration text, in a process of its own, for tests that assert what leaves its
 * sockets. Bind to port 0: the ports found are reported.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { killAll, processesWith } from "./processes.js";

export interface GatewayOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** After `run -c FILE`, for example `--single`. */
  readonly args?: readonly string[];
  /** Limit of open files of all its processes, soft and hard. */
  readonly maxOpenFiles?: number;
  /** Further files beside the configuration, by name: certificates, key sets. */
  readonly files?: Readonly<Record<string, string>>;
  /** One of `files`, a program to run instead of the compiled one: for upgrades, which find other code there. */
  readonly program?: string;
}

/** The name of the configuration in a gateway's folder. */
export const CONFIG_NAME = "windrose.yaml";

export interface GatewayExit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Gateway {
  /** Port by listener name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly admin: { readonly port: number; readonly url: string };
  /** Of its registry; "": it has none. */
  readonly registryUrl: string;
  readonly process: ChildProcess;
  /** The folder of the configuration; relative paths in it start here. Removed by `stop`. */
  readonly directory: string;
  stdout(): string;
  stderr(): string;
  /** The port of a listener; throws for a name that does not exist. */
  port(listener: string): number;
  /** Sends SIGTERM (or another signal) when it still runs, and waits for its end. May be called again. */
  stop(signal?: NodeJS.Signals): Promise<GatewayExit>;
  /** Waits for its end without asking for it. */
  exited(): Promise<GatewayExit>;
}

/** The compiled entry beside the compiled tests, whichever output folder they are in. */
export const MAIN = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/** By which all processes of a gateway are known. */
const FAMILY_VARIABLE = "WINDROSE_TEST_DIRECTORY";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 40_000;

/** Rejects with everything the process wrote when it ends or takes too long before it is ready. */
export async function startGateway(yaml: string, options: GatewayOptions = {}): Promise<Gateway> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-test-"));
  const configPath = join(directory, CONFIG_NAME);
  writeFileSync(configPath, yaml);
  for (const [name, content] of Object.entries(options.files ?? {})) writeFileSync(join(directory, name), content);
  const args = [
    "--enable-source-maps",
    options.program === undefined ? MAIN : join(directory, options.program),
    "run",
    "-c",
    configPath,
    "--state",
    join(directory, "state"),
    "--ready-fd",
    "3",
    ...(options.args ?? []),
  ];
  const child = spawn(...commandLine(args, options.maxOpenFiles), {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env, [FAMILY_VARIABLE]: directory },
  });
  const run = watchProcess(child);
  try {
    const ready = await within(START_TIMEOUT_MS, readReadyLine(child, run), () => `gateway not ready:\n${run.stderr()}`);
    return describeGateway(child, run, directory, ready);
  } catch (error) {
    killFamily(directory);
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

function commandLine(args: readonly string[], maxOpenFiles: number | undefined): [program: string, args: readonly string[]] {
  if (maxOpenFiles === undefined) return [process.execPath, args];
  return ["sh", ["-c", `ulimit -n ${maxOpenFiles}; exec "$0" "$@"`, process.execPath, ...args]];
}

interface Ready {
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly admin: { readonly port: number };
  readonly registry: { readonly port: number; readonly url: string } | null;
}

interface ProcessRun {
  stdout(): string;
  stderr(): string;
  readonly exit: Promise<GatewayExit>;
}

function describeGateway(child: ChildProcess, run: ProcessRun, directory: string, ready: Ready): Gateway {
  const ports = Object.fromEntries(ready.listeners.map(({ name, port }) => [name, port]));
  return {
    ports,
    admin: { port: ready.admin.port, url: `http://127.0.0.1:${ready.admin.port}` },
    registryUrl: ready.registry?.url ?? "",
    process: child,
    directory,
    stdout: run.stdout,
    stderr: run.stderr,
    port: (listener) => ports[listener] ?? raise(`there is no listener "${listener}"`),
    exited: () => run.exit,
    stop: async (signal = "SIGTERM") => {
      if (signal === "SIGKILL") killFamily(directory);
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      try {
        return await within(STOP_TIMEOUT_MS, run.exit, () => `gateway did not stop:\n${run.stderr()}`);
      } finally {
        killFamily(directory);
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}

/** Collects what a process writes; `exit` resolves once it has ended and its output is complete. */
export function watchProcess(child: ChildProcess): ProcessRun {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const exit = new Promise<GatewayExit>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  // Whoever waits sees the rejection; nobody waiting is not a crash of the test process.
  exit.catch(() => {});
  return { stdout: () => stdout, stderr: () => stderr, exit };
}

async function readReadyLine(child: ChildProcess, run: ProcessRun): Promise<Ready> {
  const pipe = child.stdio[3] as Readable;
  const line = (async () => {
    let text = "";
    for await (const chunk of pipe.setEncoding("utf8")) text += chunk;
    return text;
  })();
  const text = await line;
  if (text !== "") return JSON.parse(text) as Ready;
  const { code, signal, stderr } = await run.exit;
  throw new Error(`the gateway ended before it was ready (${signal ?? `exit code ${code}`}):\n${stderr}`);
}

/** A keeper or a primary that is killed leaves processes that serve on. */
function killFamily(directory: string): void {
  killAll(processesWith(`${FAMILY_VARIABLE}=${directory}`));
}

function raise(message: string): never {
  throw new Error(message);
}

/** Rejects with `describe()` when `promise` takes too long. */
export async function within<T>(timeoutMs: number, promise: Promise<T>, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${describe()}\n(after ${timeoutMs} ms)`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until `probe` gives something other than null, undefined or false. */
export async function eventually<T>(probe: () => T | Promise<T>, what: string, timeoutMs = 10_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== null && value !== undefined && value !== false) return value as NonNullable<T>;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
