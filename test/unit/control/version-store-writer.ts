/** A process of its own that records versions and says on stdout which were accepted; ended by whoever started it. */
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

const [, file = "", directory = "", keep = "5", count = "Infinity"] = process.argv;
if (file === import.meta.filename) {
  const store = createVersionStore({ directory, keep: Number(keep), onNotice: (message) => process.stderr.write(`${message}\n`) });
  for (let written = 0; written < Number(count); written += 1) {
    const [newest] = store.list();
    const { sequence } = store.record(sampleVersion((newest?.sequence ?? 0) + 1));
    process.stdout.write(`${sequence}\n`);
  }
}
