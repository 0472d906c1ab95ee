/** The queue of changes, with the real loader: what is served in the end is what the last order asked for. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadConfig, redactDocument } from "../../../../src/config/index.js";
import { createLiveConfiguration, type LiveConfigurationPorts } from "../../../../src/control/configuration/live-configuration.js";
import { createConfigLoader } from "../../../../src/control/configuration/loader.js";

const ORIGIN = { source: "admin", author: "", note: "" } as const;

function answering(text: string): string {
  return `listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: hello, filters: [{ respond: { body: "${text}" } }] }]
`;
}

function live(context: TestContext, more: Partial<LiveConfigurationPorts> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "windrose-live-"));
  const path = join(directory, "windrose.yaml");
  writeFileSync(path, answering("first"));
  const first = loadConfig(path);
  assert.ok(first.ok);
  const { snapshot, document } = first;
  const { texts, files } = document;
  const loader = createConfigLoader();
  context.after(() => {
    loader.stop();
    rmSync(directory, { recursive: true });
  });
  const counts = { loads: 0 };
  const versions = { version: snapshot.version, sequence: 1, acceptedAt: new Date().toISOString(), path, ...ORIGIN };
  const loadSource = { type: "path", path } as const;
  const served = { ...versions, snapshot, texts, files, redactedDocument: redactDocument(document), loadSource };
  const configuration = createLiveConfiguration(path, dirname(path), served, {
    loader: {
      ...loader,
      load(source, base) {
        counts.loads++;
        return loader.load(source, base);
      },
    },
    putIntoService: async () => ({ isServed: true, hasRolled: false }),
    record: (version) => ({ ...version, sequence: 2 }),
    onLoad: () => {},
    onChange: () => {},
    ...more,
  });
  return { configuration, counts, save: (text: string) => writeFileSync(path, answering(text)) };
}

describe("changes", () => {
  it("that ask for the same before it is read are one", async (context) => {
    const { configuration, counts, save } = live(context);
    const early = configuration.reload(ORIGIN);
    const others = Array.from({ length: 100 }, () => configuration.reload(ORIGIN));
    save("second");
    const outcomes = await Promise.all([early, ...others]);
    assert.ok(outcomes.some(({ result }) => result === "applied"));
    assert.equal(counts.loads, 1);
    // One that has begun may have read before the file was saved.
    const begun = configuration.reload(ORIGIN);
    await new Promise((resolve) => setImmediate(resolve));
    const later = configuration.reload(ORIGIN);
    await Promise.all([begun, later]);
    assert.equal(counts.loads, 3);
  });

  it("are made in the order in which they were asked for: a reload after an apply reads after it", async (context) => {
    const { configuration, counts } = live(context);
    const waiting = configuration.reload(ORIGIN);
    const applied = configuration.apply([{ name: "windrose.yaml", text: answering("applied") }], ORIGIN);
    const last = configuration.reload(ORIGIN);
    assert.deepEqual(
      (await Promise.all([waiting, applied, last])).map(({ result }) => result),
      ["unchanged", "applied", "applied"],
    );
    assert.equal(counts.loads, 3);
    assert.match(configuration.served.texts[0]?.text ?? "", /first/);
  });
});

describe("a look at the disk", () => {
  it("is taken once for all who ask at the same time, and never before they asked", async (context) => {
    const { configuration, counts, save } = live(context);
    const early = configuration.readDisk();
    await new Promise((resolve) => setImmediate(resolve));
    save("second");
    const late = Array.from({ length: 100 }, () => configuration.readDisk());
    const found = await Promise.all(late);
    assert.equal(counts.loads, 2);
    for (const look of found) assert.ok(look.result === "planned" && look.snapshot.version !== configuration.served.version);
    await early;
    assert.equal((await configuration.readDisk()).result, "planned");
    assert.equal(counts.loads, 3);
  });
});

describe("going back", () => {
  it("is not done when something else is served by then", async (context) => {
    const { configuration } = live(context);
    const former = configuration.served;
    const apply = (text: string) => configuration.apply([{ name: "windrose.yaml", text: answering(text) }], ORIGIN);
    const doubtful = await apply("doubtful");
    assert.ok(doubtful.result === "applied");
    const better = apply("better");
    const back = configuration.restore(former, { version: doubtful.version, changes: [] }, { ...ORIGIN, source: "guard" });
    assert.equal((await better).result, "applied");
    assert.equal(await back, null);
    assert.match(configuration.served.texts[0]?.text ?? "", /better/);
  });
});
