/** A service in a process of its own, for tests that stop it with SIGSTOP: its kernel goes on accepting connections, and nothing answers. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

export interface StoppableService {
  readonly address: string;
  /** Returns when the process has stopped, or goes on. */
  stop(): void;
  goOn(): void;
  close(): Promise<void>;
}

const PROGRAM = `
const server = require("node:http").createServer((request, response) => response.end("stoppable"));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("disconnect", () => process.exit());
`;

export async function startStoppableService(): Promise<StoppableService> {
  // It ends with this process, whose end of the channel goes with it.
  const child: ChildProcess = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const [line] = (await once(child.stdout as Readable, "data")) as [Buffer];
  return {
    address: `127.0.0.1:${Number(line.toString())}`,
    stop: () => void child.kill("SIGSTOP"),
    goOn: () => void child.kill("SIGCONT"),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
