/** A real ZooKeeper with data of its own, and a service's side of it: sessions with nodes. Needs the package zookeeper. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JuteWriter } from "../../src/discovery/zookeeper/jute.js";
import { request } from "../../src/discovery/zookeeper/messages.js";
import { openSession, type Session } from "../../src/discovery/zookeeper/session.js";
import { missingProgram } from "./programs.js";
import { freePorts, type ServerProgram, serverProgram } from "./server-program.js";

/** With the libraries it names. */
const JAR = "/usr/share/java/zookeeper.jar";

export function missingZooKeeper(): string | false {
  if (!existsSync(JAR) && process.env["CI"]) throw new Error(`${JAR} does not exist, and CI is set`);
  return existsSync(JAR) ? missingProgram("java") : `${JAR} does not exist`;
}

export interface ZooKeeper extends ServerProgram {
  /** `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** The smallest unit of session timeouts: they are 2 to 20 times as long. */
const TICK_MS = 500;

export async function startZooKeeper(): Promise<ZooKeeper> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-zookeeper-"));
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const settings = [`tickTime=${TICK_MS}`, `dataDir=${directory}`, "clientPortAddress=127.0.0.1", `clientPort=${port}`];
  writeFileSync(join(directory, "zoo.cfg"), [...settings, "admin.enableServer=false", "maxClientCnxns=0", ""].join("\n"));
  const server = serverProgram({
    command: [
      "java",
      ...["-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no", "-Dzookeeper.jmx.log4j.disable=true"],
      ...["-cp", JAR, "org.apache.zookeeper.server.quorum.QuorumPeerMain", join(directory, "zoo.cfg")],
    ],
    isReady: async () => {
      const session = await openWriter(address).catch(() => null);
      session?.close();
      return session !== null;
    },
  });
  await server.start();
  return {
    ...server,
    address,
    async stop() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A service with ZooKeeper's own client, whose node stays until it is killed and its session of a second is over. */
export function registerWithCli(server: string, path: string, data: string): { kill(): void } {
  const args = ["-cp", JAR, "org.apache.zookeeper.ZooKeeperMain", "-server", server, "-timeout", "1000"];
  const child = spawn("java", ["-XX:TieredStopAtLevel=1", ...args], { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.write(`create -e ${path} ${data}\n`);
  return { kill: () => void child.kill("SIGKILL") };
}

/** What a service does: its ephemeral nodes are there for as long as its session. */
export interface Writer {
  create(path: string, data: string, options?: CreateOptions): Promise<void>;
  set(path: string, data: string): Promise<void>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
  /** Its ephemeral nodes go at once. */
  close(): void;
}

export interface CreateOptions {
  readonly isEphemeral?: boolean;
  /** Who alone may read it: `user:password` of whoever is logged in. Default: everybody */
  readonly isPrivate?: boolean;
}

const CREATE = 1;
const REMOVE = 2;
const SET = 5;
const ALL_PERMISSIONS = 31;
const NODE_EXISTS = -110;
const NO_NODE = -101;

export async function openWriter(server: string, user = { username: "", password: "" }): Promise<Writer> {
  const nothing = (): void => {};
  const session: Session = await openSession({
    server,
    ...user,
    sessionTimeoutMs: 1_000,
    lastSeen: 0n,
    stop: new AbortController().signal,
    ...{ onEvent: nothing, onPong: nothing, onEnd: nothing },
  });
  async function ask(write: (xid: number) => JuteWriter, allowed: number): Promise<void> {
    const { error } = await session.send((xid) => write(xid).frame());
    if (error !== 0 && error !== allowed) throw new Error(`ZooKeeper answered with error ${error}`);
  }
  return {
    create(path, data, { isEphemeral = false, isPrivate = false } = {}) {
      const [scheme, id] = isPrivate ? ["auth", ""] : ["world", "anyone"];
      const write = (xid: number): JuteWriter =>
        request(xid, CREATE)
          .text(path)
          .text(data)
          .int(1)
          .int(ALL_PERMISSIONS)
          .text(scheme as string)
          .text(id as string)
          .int(isEphemeral ? 1 : 0);
      return ask(write, isEphemeral ? 0 : NODE_EXISTS);
    },
    set: (path, data) => ask((xid) => request(xid, SET).text(path).text(data).int(-1), 0),
    remove: (path) => ask((xid) => request(xid, REMOVE).text(path).int(-1), NO_NODE),
    close: () => session.close(),
  };
}
