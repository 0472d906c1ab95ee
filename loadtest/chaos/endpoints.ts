/** The services of one gateway in the chaos test, as their harness holds them: started, broken, mended and ended by pid. */

import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Child } from "../child.js";
import { portOutsideEphemeralRange } from "../soak/ports.js";
import type { Behaviour, EndpointReport, EndpointSetting } from "./endpoint.js";

export interface EndpointRecord {
  readonly atMs: number;
  /** Of the request. */
  readonly number: number;
}

/** More than fit into the smallest accept queue. */
const QUEUE_FILLERS = 4;
const running = new Set<Endpoint>();

export class Endpoint {
  readonly port: number;
  readonly zone: string;
  readonly #setting: EndpointSetting;
  readonly #cores: string;
  #child: Child<EndpointReport>;
  #fillers: readonly Socket[] = [];

  private constructor(setting: EndpointSetting, zone: string, cores: string) {
    this.port = setting.port;
    this.zone = zone;
    this.#setting = setting;
    this.#cores = cores;
    this.#child = this.#spawn();
    running.add(this);
  }

  static async start(directory: string, zone: string, cores: string): Promise<Endpoint> {
    const port = await portOutsideEphemeralRange();
    const endpoint = new Endpoint({ port, recordPath: join(directory, `endpoint-${port}.log`) }, zone, cores);
    await endpoint.#child.firstReport();
    return endpoint;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  #spawn(): Child<EndpointReport> {
    return new Child<EndpointReport>(new URL("./endpoint.js", import.meta.url), JSON.stringify(this.#setting), "endpoint", this.#cores);
  }

  /** Resolves when it does. */
  async behave(behaviour: Behaviour): Promise<void> {
    const child = this.#child;
    const told = new AbortController();
    child.send(behaviour);
    // Rejects when the process ends: its listeners go with the signal.
    await Promise.race([
      once(child.process, "message", told),
      once(child.process, "exit", told).then(() => Promise.reject(new Error(child.end))),
    ]).finally(() => told.abort());
  }

  async kill(): Promise<void> {
    const child = this.#child;
    const exited = new Promise((resolve) => child.process.once("exit", resolve));
    child.kill();
    await exited;
  }

  /** After `kill`; resolves when it listens. */
  async restart(): Promise<void> {
    this.#child = this.#spawn();
    await this.#child.firstReport();
  }

  freeze(): void {
    this.#child.process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.process.kill("SIGCONT");
  }

  /** Stopped, with a full accept queue: the kernel drops whoever tries to connect. */
  async clog(): Promise<void> {
    await this.behave("clogged");
    this.freeze();
    this.#fillers = Array.from({ length: QUEUE_FILLERS }, () => connect(this.port, "127.0.0.1").on("error", () => {}));
  }

  async unclog(): Promise<void> {
    for (const filler of this.#fillers) filler.destroy();
    this.thaw();
    await this.behave("healthy");
  }

  /** What it has seen so far. */
  records(): EndpointRecord[] {
    if (!existsSync(this.#setting.recordPath)) return [];
    const lines = readFileSync(this.#setting.recordPath, "latin1").split("\n").filter(Boolean);
    return lines.map((line) => {
      const [atMs, number] = line.split(" ").map(Number);
      return { atMs: atMs as number, number: number as number };
    });
  }

  end(): void {
    for (const filler of this.#fillers) filler.destroy();
    this.#child.kill();
    running.delete(this);
  }
}

/** For every way out of the test. */
export function endAllEndpoints(): void {
  for (const endpoint of running) endpoint.end();
}
