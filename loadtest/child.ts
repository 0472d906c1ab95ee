/** A process of a load test besides the gateway: forked, pinned to the cores of the load, and heard through its channel. */
import { type ChildProcess, fork } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

/** `cores` as taskset lists them; "": any. What the process sends with another `type` is no report. */
export class Child<Report extends { readonly type: string }> {
  readonly #child: ChildProcess;
  /** The latest; null before the first. */
  report: Report | null = null;
  /** Why it ended; "" while it runs. */
  end = "";

  constructor(entry: URL, argument: string, type: Report["type"], cores = "") {
    const flags = ["--enable-source-maps"];
    // Node.js is started by taskset, which hands the channel on.
    const pinned = { execPath: "taskset", execArgv: ["-c", cores, process.execPath, ...flags] };
    this.#child = fork(fileURLToPath(entry), [argument], cores === "" ? { execArgv: flags } : pinned);
    this.#child.on("message", (message: Report) => {
      if (message.type === type) this.report = message;
    });
    this.#child.once("exit", (code, signal) => {
      this.end = `${basename(entry.pathname, ".js")} ended with ${signal ?? code}`;
    });
  }

  get process(): ChildProcess {
    return this.#child;
  }

  send(message: string): void {
    this.#child.send(message);
  }

  kill(): void {
    if (this.end === "") this.#child.kill("SIGKILL");
  }

  /** Its first report; rejects when it ends without one. */
  firstReport(): Promise<Report> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.report !== null) resolve(this.report);
        else if (this.end !== "") reject(new Error(this.end));
      };
      this.#child.on("message", look).once("exit", look);
      look();
    });
  }
}
