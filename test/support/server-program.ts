/** A server from a package, run by a test on a port that was free: it can hang, be killed, and come back with its data. */
import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { eventually } from "./gateway.js";

export interface ServerProgram {
  /** Stops answering without closing its port, and goes on. */
  pause(): void;
  resume(): void;
  /** With SIGKILL; waits for its end. May be called again. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface ServerProgramOptions {
  readonly command: readonly [program: string, ...args: string[]];
  /** True, or the promise of it, when it can be used. Waited for by `start`, unless it is not to be. */
  readonly isReady: () => Promise<boolean>;
}

/** Not started yet. */
export function serverProgram({ command: [program, ...args], isReady }: ServerProgramOptions): ServerProgram {
  let child: ChildProcess | null = null;
  let output = "";
  const keep = (text: string): void => {
    output = (output + text).slice(-4_000);
  };
  const hasEnded = (): boolean => child === null || child.exitCode !== null || child.signalCode !== null;
  return {
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async kill() {
      if (child === null || hasEnded()) return;
      const ended = new Promise((resolve) => child?.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
    async start() {
      child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout?.setEncoding("utf8").on("data", keep);
      child.stderr?.setEncoding("utf8").on("data", keep);
      await eventually(
        () => {
          if (hasEnded()) throw new Error(`${program} ended: ${output}`);
          return isReady();
        },
        `${program} to be ready`,
        30_000,
      );
    },
  };
}

/** Of 127.0.0.1, free at this moment: for programs that cannot choose one themselves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
