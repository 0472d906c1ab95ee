/** The keeper's few log lines, in the form of telemetry/process-log.ts without loading it. */
import { writeSync } from "node:fs";

export class KeeperLog {
  info(message: string, fields: object = {}): void {
    this.#write("info", message, fields);
  }

  error(message: string, fields: object = {}): void {
    this.#write("error", message, fields);
  }

  #write(level: string, msg: string, fields: object): void {
    const time = new Date().toISOString();
    const line = process.stderr.isTTY
      ? `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${msg} role=keeper ${JSON.stringify(fields)}`
      : JSON.stringify({ level, time, role: "keeper", pid: process.pid, ...fields, msg });
    try {
      writeSync(2, `${line}\n`);
    } catch {
      // nobody reads it any more
    }
  }
}
