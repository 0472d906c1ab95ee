import assert from "node:assert/strict";
import { test } from "node:test";
import { changeLines, changeSummary } from "../../../src/cli/change-lines.js";
import { painter } from "../../../src/cli/terminal.js";
import type { ObjectChange } from "../../../src/engine/model/configuration.js";

const plain = painter({ write: () => {} }, {});
const coloured = painter({ write: () => {} }, { FORCE_COLOR: "1" });

const CHANGES: readonly ObjectChange[] = [
  {
    kind: "routes",
    name: "orders",
    change: "changed",
    fields: [
      { path: "backends[0].weight", before: 90, after: 95 },
      { path: "hostnames[1]", before: null, after: "b.example" },
      { path: "filters[0]", before: { respond: { status: 404 } }, after: null },
      { path: "filters[1].requestHeaders.set.authorization", before: "[redacted]", after: "[redacted]" },
    ],
  },
  { kind: "routes", name: "all", change: "moved", fields: [{ path: "position", before: 3, after: 1 }] },
  { kind: "services", name: "x", change: "added", fields: [] },
  { kind: "routes", name: "y", change: "removed", fields: [] },
  { kind: "workers", name: "", change: "changed", fields: [{ path: "", before: "auto", after: 4 }] },
];

test("changes are listed by object, with what is different below", () => {
  assert.equal(
    changeLines(CHANGES, { paint: plain }),
    `~ routes/orders
    backends[0].weight                           90 → 95
    hostnames[1]                                 + b.example
    filters[0]                                   - {"respond":{"status":404}}
    filters[1].requestHeaders.set.authorization  changed (secret)
> routes/all  moved 3 → 1
+ services/x
- routes/y
~ workers
    auto → 4
`,
  );
  assert.equal(changeSummary(CHANGES), "5 differences: 1 added, 1 removed, 2 changed, 1 moved");
});

test("objects with many fields are cut when that is wished for, and lines indented", () => {
  assert.equal(
    changeLines(CHANGES.slice(0, 1), { paint: plain, maxFields: 1, indent: "  " }),
    "  ~ routes/orders\n      backends[0].weight  90 → 95\n      and 3 fields more\n",
  );
});

test("in colour the words are the same", () => {
  const text = changeLines(CHANGES, { paint: coloured });
  assert.ok(text.includes("\u001b[32m+ services/x\u001b[39m"));
  assert.equal(text.replaceAll(/\u001b\[\d+m/g, ""), changeLines(CHANGES, { paint: plain }));
});

test("values cannot break out of their line, and long ones are cut", () => {
  const fields = [{ path: "a\u001b[31m\nb", before: "x\u001b]0;title\u0007\ny", after: "z".repeat(5000) }];
  const text = changeLines([{ kind: "routes\r", name: "n\u202e", change: "changed", fields }], { paint: plain });
  assert.equal(text.split("\n").length, 3);
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}|\u202e/u);
  assert.ok(text.length < 300);
});
