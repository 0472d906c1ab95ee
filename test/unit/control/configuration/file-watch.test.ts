/** Every way in which people and programs replace configuration files, against the real file system. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type FileWatch, watchFiles } from "../../../../src/control/configuration/file-watch.js";
import { eventually } from "../../../support/gateway.js";

/** Long enough that only events can explain what is seen sooner. */
const NEVER_MS = 3_600_000;

describe("a change of files is noticed", () => {
  const root = mkdtempSync(join(tmpdir(), "windrose-watch-"));
  const open: FileWatch[] = [];
  after(() => {
    for (const watch of open) watch.stop();
    rmSync(root, { recursive: true });
  });

  let folders = 0;
  function folder(): string {
    const path = join(root, String(folders++));
    mkdirSync(path);
    return path;
  }

  async function follow(paths: readonly string[], pollMs = NEVER_MS) {
    let changes = 0;
    const watch = watchFiles({ onChange: () => changes++, quietMs: 10, pollMs });
    open.push(watch);
    await watch.follow(paths);
    return { count: () => changes, until: (count: number) => eventually(() => changes >= count, `${count} changes`), watch };
  }

  it("written in place, again and again", async () => {
    const file = join(folder(), "a.yaml");
    writeFileSync(file, "1");
    const seen = await follow([file]);
    for (let i = 1; i <= 3; i++) {
      appendFileSync(file, "2");
      await seen.until(i);
    }
  });

  it("replaced by rename, as editors do, with the same size and the same time", async () => {
    const where = folder();
    const file = join(where, "a.yaml");
    writeFileSync(file, "1");
    utimesSync(file, 1, 1);
    const seen = await follow([file]);
    for (let i = 1; i <= 3; i++) {
      writeFileSync(join(where, ".a.swp"), String(i));
      utimesSync(join(where, ".a.swp"), 1, 1);
      renameSync(join(where, ".a.swp"), file);
      await seen.until(i);
    }
  });

  it("moved away, written anew and the backup deleted, as vim does", async () => {
    const where = folder();
    const file = join(where, "a.yaml");
    writeFileSync(file, "1");
    const seen = await follow([file]);
    renameSync(file, `${file}~`);
    writeFileSync(file, "2");
    unlinkSync(`${file}~`);
    await seen.until(1);
  });

  it("edited with sed -i", async () => {
    const file = join(folder(), "a.yaml");
    writeFileSync(file, "one");
    const seen = await follow([file]);
    execFileSync("sed", ["-i", "s/one/two/", file]);
    await seen.until(1);
  });

  it("deleted, and made again", async () => {
    const file = join(folder(), "a.yaml");
    writeFileSync(file, "1");
    const seen = await follow([file]);
    unlinkSync(file);
    await seen.until(1);
    writeFileSync(file, "1");
    await seen.until(2);
  });

  it("swapped as Kubernetes swaps a ConfigMap: a link to a folder is replaced", async () => {
    const where = folder();
    const swap = (generation: string, text: string): void => {
      mkdirSync(join(where, generation));
      writeFileSync(join(where, generation, "a.yaml"), text);
      symlinkSync(generation, join(where, "..data_tmp"));
      renameSync(join(where, "..data_tmp"), join(where, "..data"));
    };
    swap("..1", "one");
    symlinkSync(join("..data", "a.yaml"), join(where, "a.yaml"));
    for (const paths of [[where], [join(where, "a.yaml")]]) {
      const seen = await follow(paths);
      const generation = `..${paths[0]?.length}`;
      swap(generation, generation);
      await seen.until(1);
      swap(`${generation}b`, "again");
      await seen.until(2);
    }
  });

  it("a link into another folder: its target is written", async () => {
    const [where, elsewhere] = [folder(), folder()];
    writeFileSync(join(elsewhere, "real.yaml"), "1");
    symlinkSync(join(elsewhere, "real.yaml"), join(where, "a.yaml"));
    const seen = await follow([join(where, "a.yaml")]);
    writeFileSync(join(elsewhere, "real.yaml"), "22");
    await seen.until(1);
  });

  it("files that come to and leave a folder of configurations, but none of other kinds", async () => {
    const where = folder();
    writeFileSync(join(where, "a.yaml"), "1");
    const seen = await follow([where]);
    writeFileSync(join(where, "b.yml"), "1");
    await seen.until(1);
    unlinkSync(join(where, "b.yml"));
    await seen.until(2);
    writeFileSync(join(where, "notes.txt"), "1");
    writeFileSync(join(where, ".hidden.yaml"), "1");
    writeFileSync(join(where, "c.yaml"), "1");
    await seen.until(3);
    assert.equal(seen.count(), 3);
  });

  it("many writes at once are one change", async () => {
    const file = join(folder(), "a.yaml");
    writeFileSync(file, "");
    const seen = await follow([file]);
    for (let i = 0; i < 100; i++) appendFileSync(file, "x");
    await seen.until(1);
    appendFileSync(file, "end");
    await seen.until(2);
    assert.ok(seen.count() <= 3, `${seen.count()} changes`);
  });

  it("in a folder that does not exist yet, by looking", async () => {
    const where = join(folder(), "later");
    const seen = await follow([join(where, "a.yaml")], 20);
    mkdirSync(where);
    writeFileSync(join(where, "a.yaml"), "1");
    await seen.until(1);
  });

  it("and none when it has been stopped, or follows something else", async () => {
    const [one, other] = [join(folder(), "a.yaml"), join(folder(), "a.yaml")];
    writeFileSync(one, "1");
    writeFileSync(other, "1");
    const seen = await follow([one]);
    await seen.watch.follow([other]);
    appendFileSync(one, "2");
    appendFileSync(other, "2");
    await seen.until(1);
    assert.equal(seen.count(), 1);
    seen.watch.stop();
    appendFileSync(other, "3");
    const probe = await follow([other]);
    appendFileSync(other, "4");
    await probe.until(1);
    assert.equal(seen.count(), 1);
  });
});
