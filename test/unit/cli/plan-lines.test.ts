import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { readLines } from "../../../src/cli/plan-lines.js";

async function* chunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

async function read(bytes: Buffer, sizes: readonly number[] = []): Promise<{ lines: string[]; overlong: number; read: number }> {
  const result = { lines: [] as string[], overlong: 0, read: 0 };
  const receiver = { add: (line: string) => void result.lines.push(line), addOverlong: () => void result.overlong++ };
  await readLines(chunks(bytes, sizes), receiver, (count) => {
    result.read = count;
  });
  return result;
}

describe("readLines", () => {
  it("gives the same lines whatever the pieces, plain or compressed", async () => {
    const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, ""));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 })),
        fc.boolean(),
        async (lines, sizes, isCompressed) => {
          const plain = Buffer.from(lines.map((text) => `${text}\n`).join(""));
          const bytes = isCompressed ? gzipSync(plain) : plain;
          const result = await read(bytes, sizes);
          assert.deepEqual(result.lines.slice(0, -1), lines);
          assert.deepEqual([result.lines.at(-1), result.overlong, result.read], ["", 0, bytes.length]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("takes a last line without its end, CRLF, several gzip members, and nothing at all", async () => {
    assert.deepEqual((await read(Buffer.from("a\r\nb"))).lines, ["a", "b"]);
    assert.deepEqual((await read(Buffer.concat([gzipSync("a\nb"), gzipSync("c\n")]))).lines, ["a", "bc", ""]);
    assert.deepEqual((await read(Buffer.alloc(0))).lines, [""]);
    assert.deepEqual((await read(Buffer.from([0x1f]))).lines, ["\u001f"]);
  });

  it("does not keep a line that is too long", async () => {
    const long = "x".repeat(300_000);
    for (const sizes of [[], Array.from({ length: 400 }, () => 1000)]) {
      const result = await read(Buffer.from(`a\n${long}\nb\n${long}`), sizes);
      assert.deepEqual([result.lines.filter((line) => line !== ""), result.overlong], [["a", "b"], 2]);
    }
  });

  it("rejects when compressed data is damaged or cut off", async () => {
    const whole = gzipSync("line\n".repeat(10_000));
    await assert.rejects(read(whole.subarray(0, whole.length - 12)));
    await assert.rejects(read(Buffer.concat([whole.subarray(0, 20), Buffer.alloc(40, 7)])));
  });
});
