/** A real redis-server at a free port of 127.0.0.1, which a test can kill, pause and start again at the same port. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./gateway.js";

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  /** Stops answering without closing its port, and goes on. */
  pause(): void;
  resume(): void;
  /** SIGKILL; what is not on disk is lost. */
  kill(): Promise<void>;
  /** At the same port, with what is on disk. */
  start(): Promise<void>;
  /** Says one command, in database 1, and gives the first line of its answer. */
  ask(command: string): Promise<string>;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Every change is on disk before it is answered. Default: nothing ever is. */
  readonly isPersistent?: boolean;
  readonly password?: string;
  /** Further arguments. */
  readonly args?: readonly string[];
  /** In place of the plain port: its certificate and key, as PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-redis-"));
  const port = await freePort();
  const { isPersistent = false, password = "", tls, args = [] } = options;
  const line = [
    ...["--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", isPersistent ? "yes" : "no", "--appendfsync", "always"],
    ...(tls === undefined
      ? ["--port", `${port}`]
      : ["--port", "0", "--tls-port", `${port}`, "--tls-cert-file", tls.cert, "--tls-key-file", tls.key, "--tls-auth-clients", "no"]),
    ...(password === "" ? [] : ["--requirepass", password]),
    ...args,
  ];
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    let output = "";
    child = spawn("redis-server", line, { stdio: ["ignore", "pipe", "ignore"] });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`redis-server ended: ${output}`);
      return output.includes("Ready to accept connections");
    }, "redis-server");
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  await start();
  return {
    port,
    get pid() {
      return child.pid ?? 0;
    },
    start,
    kill,
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    ask: (command) => ask(port, [...(password === "" ? [] : [`AUTH ${password}`]), "SELECT 1", command]),
    async stop() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Inline commands, as one would type it into a telnet. */
function ask(port: number, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(`${commands.join("\r\n")}\r\n`));
    socket.once("error", reject).on("data", (bytes: Buffer) => {
      text += bytes.toString();
      const lines = text.split("\r\n");
      if (lines.length <= commands.length) return;
      socket.destroy();
      resolve(lines[commands.length - 1] ?? "");
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
