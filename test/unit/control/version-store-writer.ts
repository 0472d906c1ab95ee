/** A process of its own that records versions and says on stdout which were accepted; ended by whoever started it. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createVersionStore } from "../../../src/control/version-store.js";
import type { StoredVersion } from "../../../src/engine/model/configuration.js";

/** What is recorded as number `index`: one text that changes, one that stays, one that is large. */
export function sampleVersion(index: number, size = 40_000): Omit<StoredVersion, "sequence"> {
  return {
    version: index.toString(16).padStart(16, "0"),
    acceptedAt: new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString(),
    source: "admin",
    author: "alice",
    note: `number ${index}`,
    path: "/etc/windrose",
    texts: [
      { name: "changes.yaml", text: `# ${index}\n` },
      { name: "stays.yaml", text: "listeners: []\n" },
      { name: "large.yaml", text: `# ${index}\n${"x".repeat(size)}` },
    ],
  };
}

const CHANGING = ["mkdirSync", "chmodSync", "writeFileSync", "linkSync", "renameSync", "fsyncSync", "rmSync"] as const;

/** Ends this process for good at its n-th change of the disk; when that is writing a file, in the middle of it. */
function dieAtChange(n: number): void {
  let changes = 0;
  for (const name of CHANGING) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    const replacement = (...args: unknown[]): unknown => {
      changes += 1;
      if (changes === n) {
        if (name === "writeFileSync") original(args[0], String(args[1]).slice(0, String(args[1]).length >> 1), { mode: 0o600 });
        process.kill(process.pid, "SIGKILL");
      }
      return original(...args);
    };
    Object.assign(fs, { [name]: replacement });
  }
  syncBuiltinESMExports();
}

const [, file = "", directory = "", keep = "5", count = "Infinity", dieAt = "0"] = process.argv;
if (file === import.meta.filename) {
  dieAtChange(Number(dieAt));
  const store = createVersionStore({ directory, keep: Number(keep), onNotice: (message) => process.stderr.write(`${message}\n`) });
  for (let written = 0; written < Number(count); written += 1) {
    const [newest] = store.list();
    const { sequence } = store.record(sampleVersion((newest?.sequence ?? 0) + 1));
    process.stdout.write(`${sequence}\n`);
  }
}
