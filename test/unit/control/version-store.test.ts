/** The history on disk: durable against `kill -9`, full and read-only disks, damaged files and a second gateway. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createVersionStore, readVersionHistory, type VersionStoreOptions } from "../../../src/control/version-store.js";
import { sampleVersion } from "./version-store-writer.js";

const WRITER = join(import.meta.dirname, "version-store-writer.js");

function temporary(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "windrose-state-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "state");
}

function open(directory: string, options: Partial<VersionStoreOptions> = {}) {
  const notices: string[] = [];
  const store = createVersionStore({ directory, onNotice: (message) => notices.push(message), ...options });
  return { store, notices };
}

function found(reader: { find(id: string): ReturnType<ReturnType<typeof open>["store"]["find"]> }, id: string) {
  const result = reader.find(id);
  assert.ok(result.isFound, result.isFound ? "" : result.message);
  return result.version;
}

const sequences = (store: { list(): readonly { sequence: number }[] }) => store.list().map(({ sequence }) => sequence);

test("what was recorded is there for the next process, newest first, with its texts", (context) => {
  const directory = temporary(context);
  const { store, notices } = open(directory);
  assert.equal(store.lastGood(), null);
  for (const index of [1, 2, 3]) assert.deepEqual(store.record(sampleVersion(index)), { ...sampleVersion(index), sequence: index });
  store.close();
  const again = open(directory);
  assert.deepEqual(sequences(again.store), [3, 2, 1]);
  assert.deepEqual(found(again.store, "#2"), { ...sampleVersion(2), sequence: 2 });
  assert.deepEqual(again.store.lastGood(), { ...sampleVersion(3), sequence: 3 });
  assert.equal(again.store.record(sampleVersion(4)).sequence, 4);
  assert.deepEqual([...notices, ...again.notices], []);
});

test("nobody else can read it", (context) => {
  const directory = temporary(context);
  open(directory).store.record(sampleVersion(1));
  for (const path of readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name))) {
    const status = statSync(path);
    assert.equal(status.mode & 0o777, status.isDirectory() ? 0o700 : 0o600, path);
  }
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test("a directory that others may read is closed to them", (context) => {
  const directory = temporary(context);
  mkdirSync(directory, { mode: 0o755 });
  chmodSync(directory, 0o755);
  open(directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test("equal texts are stored once", (context) => {
  const directory = temporary(context);
  const { store } = open(directory);
  for (let index = 1; index <= 10; index += 1) store.record(sampleVersion(1));
  assert.equal(readdirSync(join(directory, "texts")).length, 3);
  store.record(sampleVersion(2));
  assert.equal(readdirSync(join(directory, "texts")).length, 5);
});

test("old versions go, with the texts that nobody else needs", (context) => {
  const directory = temporary(context);
  const { store } = open(directory, { keep: 3 });
  for (let index = 1; index <= 10; index += 1) store.record(sampleVersion(index));
  assert.deepEqual(sequences(store), [10, 9, 8]);
  assert.equal(readdirSync(join(directory, "versions")).length, 3);
  assert.equal(readdirSync(join(directory, "texts")).length, 7);
  for (const id of ["#8", "#9", "#10"]) found(store, id);
  const fewer = open(`${directory}/.`, { keep: 3 });
  assert.deepEqual(sequences(fewer.store), [10, 9, 8]);
});

test("large documents are bounded by their bytes, and the newest is kept whatever it takes", (context) => {
  const directory = temporary(context);
  const size = 1024 * 1024;
  const { store } = open(directory, { maxBytes: 3.5 * size });
  for (let index = 1; index <= 6; index += 1) store.record(sampleVersion(index, size));
  assert.deepEqual(sequences(store), [6, 5, 4]);
  store.record(sampleVersion(7, 8 * size));
  assert.deepEqual(sequences(store), [7]);
  const bytes = readdirSync(join(directory, "texts")).reduce((sum, name) => sum + statSync(join(directory, "texts", name)).size, 0);
  assert.ok(bytes < 9 * size);
  assert.equal(store.lastGood()?.texts[2]?.text.length, 8 * size + 4);
});

/** What must hold after a process that answered for `answered` has died; returns the newest. */
function checkHistory(directory: string, keep: number, answered: number): number {
  const history = readVersionHistory(directory, (message) => assert.fail(message));
  const [newest = 0] = sequences(history);
  assert.ok(newest === answered || newest === answered + 1, `${newest} is newest, ${answered} was answered for`);
  // It may have died between writing the new version and removing the oldest.
  const shown = sequences(history);
  assert.ok(shown.length >= Math.min(keep, newest) && shown.length <= keep + 1, `${shown}`);
  assert.deepEqual(
    shown,
    shown.map((_, index) => newest - index),
  );
  for (const sequence of shown) assert.deepEqual(found(history, `#${sequence}`), { ...sampleVersion(sequence), sequence });
  return newest;
}

function checkNothingIsLeftOver(directory: string, keep: number): void {
  const { store, notices } = open(directory, { keep });
  store.record(sampleVersion((store.list()[0]?.sequence ?? 0) + 1));
  store.close();
  assert.deepEqual(notices, []);
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const count = (pattern: RegExp) => names.filter((name) => pattern.test(name)).length;
  // One text that all have, two of each.
  assert.deepEqual([count(/\.tmp-/), count(/^versions\//), count(/^texts\//), count(/^lock$/)], [0, keep, 1 + 2 * keep, 0]);
}

test("killed at any of its changes of the disk, a process leaves every version that it answered for, whole and in order", (context) => {
  const directory = temporary(context);
  const keep = 3;
  let newest = 0;
  let deaths = 0;
  for (let change = 1; ; change += 1) {
    const writer = spawnSync(process.execPath, [WRITER, directory, `${keep}`, "2", `${change}`], { encoding: "utf8" });
    assert.equal(writer.stderr, "");
    newest = checkHistory(directory, keep, Math.max(newest, ...writer.stdout.split("\n").map(Number)));
    if (writer.signal === null) break;
    deaths += 1;
  }
  assert.ok(deaths > 20, `${deaths}`);
  checkNothingIsLeftOver(directory, keep);
});

test("killed at random moments, too", async (context) => {
  const directory = temporary(context);
  const keep = 5;
  let newest = 0;
  for (let round = 0; round < 20; round += 1) {
    const writer = spawn(process.execPath, [WRITER, directory, `${keep}`], { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(writer, "close");
    const wanted = 1 + Math.floor(Math.random() * 12);
    let output = "";
    writer.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.split("\n").length > wanted) writer.kill("SIGKILL");
    });
    await exit;
    newest = checkHistory(directory, keep, Math.max(newest, ...output.split("\n").map(Number)));
  }
  checkNothingIsLeftOver(directory, keep);
});

test("what a killed process left behind is removed by the next that may write, and by nobody else", (context) => {
  const directory = temporary(context);
  const first = open(directory);
  first.store.record(sampleVersion(1));
  const orphan = join(directory, "texts", "0".repeat(64));
  const draft = join(directory, "versions", ".tmp-99-0000000002-0000000000000002.json");
  for (const path of [orphan, draft]) writeFileSync(path, "half");
  readVersionHistory(directory, (message) => assert.fail(message));
  assert.ok(statSync(orphan, { throwIfNoEntry: false }) && statSync(draft, { throwIfNoEntry: false }));
  first.store.close();
  open(directory);
  assert.ok(!statSync(orphan, { throwIfNoEntry: false }) && !statSync(draft, { throwIfNoEntry: false }));
});

test("foreign and damaged files are reported, skipped and left alone", (context) => {
  const directory = temporary(context);
  const { store } = open(directory);
  for (let index = 1; index <= 6; index += 1) store.record(sampleVersion(index));
  store.close();
  const versions = join(directory, "versions");
  const [one = "", two = "", three = "", four = "", five = ""] = readdirSync(versions).sort();
  writeFileSync(join(versions, one), "");
  writeFileSync(join(versions, two), readFileSync(join(versions, two), "utf8").slice(0, -20));
  writeFileSync(join(versions, three), readFileSync(join(versions, four)));
  const data = JSON.parse(readFileSync(join(versions, four), "utf8")) as { texts: { digest: string }[] };
  rmSync(join(directory, "texts", data.texts[0]?.digest ?? ""));
  writeFileSync(join(versions, five), '{"format":1,"version":null,"texts":[{}]}');
  writeFileSync(join(versions, "notes.txt"), "mine");
  symlinkSync("/etc/hostname", join(versions, "0000000009-00000000000000aa.json"));
  mkdirSync(join(versions, "0000000010-00000000000000aa.json"));
  spawnSync("mkfifo", [join(versions, "0000000011-00000000000000aa.json")]);
  const before = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name !== "lock");
  const again = open(directory);
  assert.deepEqual(sequences(again.store), [6]);
  assert.equal(again.notices.length, 9, again.notices.join("\n"));
  assert.match(again.notices.join("\n"), /0000000001-0000000000000001\.json is damaged; it is skipped\n/);
  assert.match(again.notices.join("\n"), /the text of "changes\.yaml" is missing or damaged; it is skipped\n/);
  assert.match(again.notices.join("\n"), /notes\.txt is not a file of the history; it is skipped/);
  assert.deepEqual(
    readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name !== "lock"),
    before,
  );
  // Numbers of damaged files are not given again.
  assert.equal(again.store.record(sampleVersion(7)).sequence, 12);
  assert.equal(again.notices.length, 9);
});

test("a text that changed on disk is found out when it is needed, and is mended by the next version that has it", (context) => {
  const directory = temporary(context);
  const { store, notices } = open(directory);
  store.record(sampleVersion(1));
  store.record(sampleVersion(2));
  const texts = join(directory, "texts");
  const damage = () => {
    for (const name of readdirSync(texts)) {
      const text = readFileSync(join(texts, name), "utf8");
      if (text === "# 2\n") writeFileSync(join(texts, name), "# X\n");
    }
  };
  damage();
  assert.deepEqual(store.find("#2"), { isFound: false, message: "the texts of version #2 cannot be read any more" });
  assert.equal(store.lastGood()?.sequence, 1);
  assert.deepEqual(notices, ["the texts of version #2 cannot be read any more"]);
  store.record(sampleVersion(2));
  assert.equal(store.lastGood()?.sequence, 3);
  found(store, "#2");
});

test("where nothing can be written it works from memory and says so once", () => {
  const { store, notices } = open("/proc/windrose-state");
  for (let index = 1; index <= 3; index += 1) store.record(sampleVersion(index));
  assert.deepEqual(sequences(store), [3, 2, 1]);
  assert.deepEqual(found(store, "~1"), { ...sampleVersion(2), sequence: 2 });
  assert.equal(store.lastGood()?.sequence, 3);
  assert.deepEqual(notices, ["the history cannot be written to /proc/windrose-state and is kept in memory: no such file or directory"]);
  store.close();
});

test("what is kept in memory is bounded, too", () => {
  const { store } = open("/proc/windrose-state", { keep: 4, maxBytes: 250_000 });
  for (let index = 1; index <= 20; index += 1) store.record(sampleVersion(index));
  assert.deepEqual(sequences(store), [20, 19, 18, 17]);
  for (let index = 21; index <= 30; index += 1) store.record(sampleVersion(index, 100_000));
  assert.deepEqual(sequences(store), [30, 29]);
});

test("what could not be written is written when it can be", (context) => {
  const directory = temporary(context);
  // A file where the directory should be: refused for root, too.
  writeFileSync(directory, "");
  const { store, notices } = open(directory);
  store.record(sampleVersion(1));
  rmSync(directory);
  store.record(sampleVersion(2));
  assert.deepEqual(notices, [
    `the history cannot be written to ${directory} and is kept in memory: ${notices[0]?.split(": ").at(-1)}`,
    `the history is written to ${directory} again`,
  ]);
  assert.match(notices[0] ?? "", /file already exists|not a directory/);
  const history = readVersionHistory(directory, (message) => assert.fail(message));
  assert.deepEqual(sequences(history), [2, 1]);
  assert.deepEqual(found(history, "#1"), { ...sampleVersion(1), sequence: 1 });
});

test("a disk that is full costs the history its files, and nothing else", (context) => {
  const directory = temporary(context);
  const options = { encoding: "utf8", timeout: 60_000 } as const;
  // Writes beyond 16 KiB of a file fail (EFBIG), as on a full disk after some bytes.
  const limited = spawnSync("bash", ["-c", `ulimit -f 16; exec "${process.execPath}" "${WRITER}" "${directory}" 5 3`], options);
  assert.equal(limited.stdout, "1\n2\n3\n", limited.stderr);
  assert.match(limited.stderr, /^the history cannot be written to \S+ and is kept in memory: file too large\n$/);
  assert.deepEqual(sequences(readVersionHistory(directory, (message) => assert.fail(message))), []);
  assert.deepEqual(
    readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.includes(".tmp-")),
    [],
  );
  const { store, notices } = open(directory);
  assert.equal(store.record(sampleVersion(1)).sequence, 1);
  assert.deepEqual(notices, []);
});

test("of two gateways with one directory the second keeps its history in memory until the first is gone", async (context) => {
  const directory = temporary(context);
  const writer = spawn(process.execPath, [WRITER, directory, "3"], { stdio: ["ignore", "pipe", "ignore"] });
  await once(writer.stdout, "data");
  writer.kill("SIGSTOP");
  const { store, notices } = open(directory, { keep: 3 });
  const [seen = 0] = sequences(store);
  assert.ok(seen > 0);
  store.record(sampleVersion(900));
  const before = readdirSync(join(directory, "versions")).filter((name) => !name.startsWith(".tmp-"));
  assert.ok(before.every((name) => !name.includes("384")));
  assert.deepEqual(notices, [`the history cannot be written to ${directory} and is kept in memory: process ${writer.pid} is using it`]);
  const exit = once(writer, "close");
  writer.kill("SIGKILL");
  await exit;
  store.record(sampleVersion(901));
  assert.deepEqual(notices.slice(1), [`the history is written to ${directory} again`]);
  const history = readVersionHistory(directory, (message) => assert.fail(message));
  assert.deepEqual(
    history
      .list()
      .slice(0, 2)
      .map(({ note }) => note),
    ["number 901", "number 900"],
  );
});

test("a second store of one process is refused, and a lock nobody holds is taken", (context) => {
  const directory = temporary(context);
  const first = open(directory);
  const second = open(directory);
  assert.match(second.notices.join(), new RegExp(`process ${process.pid} is using it`));
  first.store.close();
  second.store.record(sampleVersion(1));
  assert.equal(readVersionHistory(directory, () => {}).list().length, 1);
  second.store.close();
  // As a process before the last restart of the machine may have left it; and as nobody would.
  for (const stale of [`${process.pid} 1 00000000-0000-0000-0000-000000000000\n`, "1 1 x\n", "4194999 - -\n", "", "\0\0\0"]) {
    writeFileSync(join(directory, "lock"), stale);
    const { store, notices } = open(directory);
    assert.deepEqual(notices, [], JSON.stringify(stale));
    store.close();
  }
  assert.equal(statSync(join(directory, "lock"), { throwIfNoEntry: false }), undefined);
});

test("versions are found by beginning, sequence and distance, and a doubtful wish is refused", (context) => {
  const { store } = open(temporary(context));
  for (const version of ["aaaa000000000001", "aaaab00000000002", "1234000000000003", "aaaa000000000001", "0005000000000005"])
    store.record({ ...sampleVersion(1), version, texts: [] });
  const by = (id: string) => {
    const result = store.find(id);
    return result.isFound ? result.version.sequence : result.message;
  };
  assert.deepEqual(
    ["aaaa0", "AAAA000000000001", "#1", "2", "1234", "~0", "~1", "~", "~4", " aaaab "].map(by),
    [4, 4, 1, 2, 3, 5, 4, 4, 1, 2],
  );
  assert.deepEqual(["latest", "latest~0", "latest~1", "LATEST~", "latest~4"].map(by), [5, 5, 4, 4, 1]);
  assert.equal(by("aaaa"), "several versions fit: aaaa000000000001, aaaab00000000002");
  assert.equal(by("0005"), 5);
  assert.equal(by("0004"), 4);
  assert.equal(by("aaa"), '"aaa" is too short: give at least four digits');
  assert.equal(by("ffff"), "there is no version ffff");
  assert.equal(by("#77"), "there is no version #77");
  assert.equal(by("77"), "there is no version 77");
  assert.equal(by("~5"), "there are only 5 versions");
  for (const id of ["", "../x", "latestx", "#", "~x", "~1~1", "\u0000"])
    assert.match(String(by(id)), /is neither a version nor a sequence such as #12$/);
});

test("a description that is too long for its file is kept in memory and named as the reason", (context) => {
  const { store, notices } = open(temporary(context));
  store.record({ ...sampleVersion(1), note: "x".repeat(5 * 1024 * 1024) });
  assert.match(notices.join(), /kept in memory: what describes it is too long$/);
  assert.equal(store.list().length, 1);
});
