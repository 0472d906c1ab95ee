import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  createEndpointOverrides,
  type EndpointOverrides,
  type KeptOverride,
  MAX_OVERRIDES,
  type OverrideList,
} from "../../../../src/control/overrides/endpoint-overrides.js";
import { createOverrideFile, type OverrideFile } from "../../../../src/control/overrides/override-file.js";
import { eventually } from "../../../support/gateway.js";

const folder = mkdtempSync(join(tmpdir(), "windrose-overrides-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "overrides.json");

function override(changes: Partial<KeptOverride> = {}): KeptOverride {
  const base = { service: "app", endpoint: "10.0.0.1:80", weight: null, isDraining: true, note: "", author: "ci", setAtMs: 1 };
  return { ...base, weightUntilMs: 0, drainingUntilMs: 0, ...changes };
}

interface Bench {
  readonly overrides: EndpointOverrides;
  readonly told: OverrideList[];
  readonly warnings: string[];
}

function open(file?: OverrideFile): Bench {
  const [told, warnings]: [OverrideList[], string[]] = [[], []];
  const used = file ?? createOverrideFile(folder, (message) => warnings.push(message));
  const overrides = createEndpointOverrides({ file: used, onChange: (list) => told.push(list), log: () => {} });
  return { overrides, told, warnings };
}

describe("overrides of endpoints", () => {
  it("are on disk when they are answered for, whole, and for the owner alone", () => {
    const { overrides, told } = open();
    assert.deepEqual(overrides.set(override()), { result: "set", isKept: true });
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { overrides: [override()] });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder), ["overrides.json"]);
    assert.deepEqual(open().overrides.all(), [override()]);
    overrides.set(override({ weight: 3 }));
    assert.deepEqual(overrides.all(), [override({ weight: 3 })]);
    assert.deepEqual(overrides.remove("app", "10.0.0.1:80"), { isKept: true });
    assert.equal(overrides.remove("app", "10.0.0.1:80"), null);
    assert.deepEqual(open().overrides.all(), []);
    assert.deepEqual(
      told.map(({ version, overrides: list }) => [version, list.length]),
      [
        [2, 1],
        [3, 1],
        [4, 0],
      ],
    );
  });

  for (const text of ["", "{", "[]", '{"overrides":7}', `{"overrides":${"[".repeat(1000)}`]) {
    it(`a file that holds ${JSON.stringify(text.slice(0, 20))} is told of, and the gateway goes on`, () => {
      writeFileSync(path, text);
      const { overrides, warnings } = open();
      assert.deepEqual(overrides.all(), []);
      assert.match(warnings[0] ?? "", /^overrides of endpoints are lost: \S+ cannot be read$/);
      assert.deepEqual(overrides.set(override()), { result: "set", isKept: true });
    });
  }

  it("what is no override, or is over, is left out of what was on disk", () => {
    const bad = [
      null,
      1,
      {},
      override({ weight: -1 }),
      override({ weight: 1.5 }),
      { ...override(), isDraining: "yes" },
      { ...override(), note: 1 },
    ];
    const old = override({ endpoint: "old:1", drainingUntilMs: 5 });
    writeFileSync(path, JSON.stringify({ overrides: [...bad, old, override({ endpoint: "good:1" })] }));
    assert.deepEqual(
      open()
        .overrides.all()
        .map(({ endpoint }) => endpoint),
      ["good:1"],
    );
  });

  it("a disk that refuses costs the memory of it alone", () => {
    const warnings: string[] = [];
    const { overrides } = open(createOverrideFile(join(folder, "missing"), (message) => warnings.push(message)));
    assert.deepEqual(overrides.set(override()), { result: "set", isKept: false });
    assert.equal(overrides.of("app", "10.0.0.1:80")?.isDraining, true);
    assert.match(warnings[0] ?? "", /cannot be kept on disk/);
    assert.deepEqual(overrides.remove("app", "10.0.0.1:80"), { isKept: false });
    assert.deepEqual(open(createOverrideFile(null, () => {})).overrides.set(override()), { result: "set", isKept: false });
  });

  it("end when they expire, also while nobody looks for longer than a timer can", async () => {
    rmSync(path);
    const { overrides, told } = open();
    overrides.set(override({ endpoint: "soon:1", drainingUntilMs: Date.now() + 30 }));
    overrides.set(override({ endpoint: "late:1", drainingUntilMs: Date.now() + 60 * 86_400_000 }));
    await eventually(() => overrides.all().length === 1, "the first is over");
    assert.deepEqual(
      told.at(-1)?.overrides.map(({ endpoint }) => endpoint),
      ["late:1"],
    );
    overrides.suspend();
  });

  it("weight and draining end each at its own time", async () => {
    rmSync(path, { force: true });
    const { overrides } = open();
    const later = Date.now() + 60_000;
    overrides.set(override({ endpoint: "a:1", weight: 3, weightUntilMs: Date.now() + 30 }));
    overrides.set(override({ endpoint: "b:1", weight: 3, weightUntilMs: later, drainingUntilMs: Date.now() + 30 }));
    await eventually(() => overrides.of("app", "a:1")?.weight === null && overrides.of("app", "b:1")?.isDraining === false, "both ends");
    const rest = [override({ endpoint: "a:1" }), override({ endpoint: "b:1", weight: 3, weightUntilMs: later, isDraining: false })];
    assert.deepEqual(overrides.all(), rest);
    assert.deepEqual(open().overrides.all(), rest);
    overrides.suspend();
  });

  it("what another process wrote counts when it is read again; what is suspended writes nothing", () => {
    const [one, two] = [open().overrides, open()];
    one.set(override({ endpoint: "new:1" }));
    two.overrides.readAgain();
    assert.ok(two.overrides.of("app", "new:1") !== null);
    assert.equal(two.told.length, 1);
    one.suspend();
    const before = readFileSync(path, "utf8");
    assert.deepEqual(one.set(override({ endpoint: "later:1" })), { result: "set", isKept: false });
    assert.equal(readFileSync(path, "utf8"), before);
    two.overrides.suspend();
  });

  it("are bounded in number", () => {
    const many = Array.from({ length: MAX_OVERRIDES }, (_, i) => override({ endpoint: `e:${i}` }));
    const { overrides } = open({ read: () => many, write: () => true });
    assert.deepEqual(overrides.set(override({ endpoint: "more:1" })), { result: "full" });
    assert.deepEqual(overrides.set(override({ endpoint: "e:1", weight: 2 })), { result: "set", isKept: true });
  });
});
