import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { LogWriter } from "../../../src/telemetry/log-writer.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-log-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const WRITER_MODULE = new URL("../../../src/telemetry/log-writer.js", import.meta.url).href;
let files = 0;

function freshPath(): string {
  return join(directory, `log-${files++}`);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `in time: ${what}`);
    await delay(5);
  }
}

/** A named pipe with its reading end held open, not read. */
function openPipe(): { path: string; readAll(): string; close(): void } {
  const path = freshPath();
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(1 << 20);
  return {
    path,
    close: () => closeSync(fd),
    readAll() {
      let text = "";
      try {
        for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) text += buffer.toString("latin1", 0, n);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      return text;
    },
  };
}

test("lines reach a file in order, and the file is not readable by everyone", async () => {
  const path = freshPath();
  const writer = new LogWriter({ path });
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`);
  for (const line of lines) writer.write(line);
  await writer.close();
  assert.equal(readFileSync(path, "utf8"), lines.join(""));
  assert.equal(writer.writtenLines, 5000);
  assert.equal(statSync(path).mode & 0o007, 0);
});

test("a single line is written soon, without a flush", async () => {
  const path = freshPath();
  const writer = new LogWriter({ path });
  writer.write("alone\n");
  await until(() => readFileSync(path, "utf8") === "alone\n", "the line is there");
  await writer.close();
});

test("the line behind a full chunk is written soon too, without a further line", async () => {
  const path = freshPath();
  const writer = new LogWriter({ path });
  const line = `${"x".repeat(99)}\n`;
  for (let i = 0; i < 1_000; i++) writer.write(line);
  await until(() => statSync(path).size === 100_000, "all lines are in the file");
  await writer.close();
});

test("writing does nothing at once: the request path only appends", async () => {
  const path = freshPath();
  const writer = new LogWriter({ path });
  for (let i = 0; i < 10_000; i++) writer.write("some line of a plausible length for an access log\n");
  assert.equal(statSync(path).size, 0);
  await writer.close();
});

test("an existing file is appended to", async () => {
  const path = freshPath();
  for (const line of ["one\n", "two\n"]) {
    const writer = new LogWriter({ path });
    writer.write(line);
    await writer.close();
  }
  assert.equal(readFileSync(path, "utf8"), "one\ntwo\n");
});

test("after rotation lines go to a new file, and none is lost", async () => {
  const path = freshPath();
  const writer = new LogWriter({ path });
  writer.write("before\n");
  await writer.flush();
  renameSync(path, `${path}.1`);
  writer.reopen();
  writer.write("after\n");
  await writer.close();
  assert.equal(readFileSync(`${path}.1`, "utf8"), "before\n");
  assert.equal(readFileSync(path, "utf8"), "after\n");
});

test("when reopening fails the old file stays in use and the problem is reported", async () => {
  const inner = mkdtempSync(join(directory, "gone-"));
  const problems: string[] = [];
  const writer = new LogWriter({ path: join(inner, "log"), onProblem: (error) => problems.push(error.message) });
  rmSync(inner, { recursive: true });
  writer.reopen();
  writer.write("still taken\n");
  await writer.close();
  assert.equal(problems.length, 1);
  assert.equal(writer.writtenLines, 1);
});

test("a destination that cannot be opened is an error at the start", () => {
  assert.throws(() => new LogWriter({ path: join(directory, "missing", "log") }), { code: "ENOENT" });
});

test("a reader that stalls costs lines, not memory or time; they are counted, and whole lines arrive later", async () => {
  const pipe = openPipe();
  const writer = new LogWriter({ path: pipe.path, maxBufferBytes: 32 * 1024 });
  const line = `${"x".repeat(99)}\n`;
  for (let i = 0; i < 5000; i++) {
    writer.write(line);
    if (i % 100 === 0) await delay(0);
  }
  assert.ok(writer.droppedLines > 3000, `${writer.droppedLines} dropped`);
  let text = "";
  const draining = until(() => {
    text += pipe.readAll();
    return writer.writtenLines + writer.droppedLines === 5000;
  }, "everything written or dropped");
  await Promise.all([writer.flush(5000), draining]);
  text += pipe.readAll();
  assert.equal(text, line.repeat(writer.writtenLines));
  await writer.close();
  pipe.close();
});

test("closing does not wait for a reader that has stopped reading", async () => {
  const pipe = openPipe();
  const writer = new LogWriter({ path: pipe.path });
  for (let i = 0; i < 3000; i++) writer.write(`${"x".repeat(99)}\n`);
  const begun = Date.now();
  await writer.close(100);
  assert.ok(Date.now() - begun < 2000);
  assert.equal(writer.writtenLines + writer.droppedLines, 3000);
  pipe.close();
});

test("a reader that is gone is reported once and crashes nothing", async () => {
  const pipe = openPipe();
  const problems: string[] = [];
  const writer = new LogWriter({ path: pipe.path, onProblem: (error) => problems.push((error as NodeJS.ErrnoException).code ?? "") });
  pipe.close();
  for (let i = 0; i < 200; i++) writer.write(`${"x".repeat(99)}\n`);
  await until(() => problems.length > 0, "the problem is reported");
  await writer.close(100);
  assert.deepEqual(problems, ["EPIPE"]);
  assert.equal(writer.droppedLines, 200);
});

test("a full disk is reported and crashes nothing", { skip: !existsSync("/dev/full") }, async () => {
  const problems: string[] = [];
  const writer = new LogWriter({ path: "/dev/full", onProblem: (error) => problems.push((error as NodeJS.ErrnoException).code ?? "") });
  writer.write("lost\n");
  await until(() => writer.droppedLines === 1, "the line is given up");
  await writer.close(100);
  assert.deepEqual(problems, ["ENOSPC"]);
});

test("lines of several processes sharing a pipe are not torn apart", async () => {
  const pipe = openPipe();
  const program = `
    const { LogWriter } = await import(${JSON.stringify(WRITER_MODULE)});
    const writer = new LogWriter({ path: "stdout" });
    for (let i = 0; i < 2000; i++) {
      writer.write(process.argv[1].repeat(50 + (i % 300)) + "\\n");
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.close(8000);
    process.exitCode = writer.droppedLines === 0 ? 0 : 3;`;
  const writeEnd = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
  const children = ["a", "b", "c"].map((letter) =>
    spawn(process.execPath, ["--input-type=module", "-e", program, letter], { stdio: ["ignore", writeEnd, "inherit"] }),
  );
  closeSync(writeEnd);
  const codes: (number | null)[] = [];
  for (const child of children) child.once("exit", (code) => codes.push(code));
  let text = "";
  await until(() => {
    text += pipe.readAll();
    return codes.length === 3;
  }, "all writers end");
  text += pipe.readAll();
  pipe.close();
  assert.deepEqual(codes, [0, 0, 0]);
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 6000);
  assert.ok(lines.every((line) => /^(a+|b+|c+)$/.test(line)));
});

test("an exit handler can still write what waits", async () => {
  const program = `
    const { LogWriter } = await import(${JSON.stringify(WRITER_MODULE)});
    const writer = new LogWriter({ path: "stdout" });
    process.once("exit", () => writer.flushSync());
    writer.write("last words\\n");
    process.exit(0);`;
  const child: ChildProcessByStdio<null, Readable, null> = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  assert.equal(text, "last words\n");
});
