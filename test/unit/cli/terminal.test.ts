import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  createProgress,
  displayWidth,
  formatCount,
  formatElapsed,
  formatShare,
  formatTable,
  isColoured,
  painter,
  plural,
  writeJson,
} from "../../../src/cli/terminal.js";

function screen(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

const ESCAPE = "\u001b";
const plain = painter(screen(false), {});

describe("colour", () => {
  const cases: [isTTY: boolean, env: Record<string, string>, isColoured: boolean][] = [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [false, { FORCE_COLOR: "1" }, true],
    [true, { FORCE_COLOR: "0" }, false],
    [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    [false, { FORCE_COLOR: "" }, false],
    [true, { TERM: "dumb" }, false],
  ];
  for (const [isTTY, env, expected] of cases) {
    it(`is ${expected ? "on" : "off"} with ${JSON.stringify(env)} ${isTTY ? "on a terminal" : "in a pipe"}`, () => {
      assert.equal(isColoured(screen(isTTY), env), expected);
    });
  }

  it("encloses text and ends with it", () => {
    assert.equal(painter(screen(true), {})("red", "no"), `${ESCAPE}[31mno${ESCAPE}[39m`);
    assert.equal(plain("red", "no"), "no");
  });

  it("never lets control characters of data through", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        for (const shown of [plain("bold", text), formatTable([[text, { text, style: "red" }]], { paint: plain }).trimEnd()])
          assert.doesNotMatch(shown, /\p{Cc}|[\u2028-\u202e\u2066-\u2069]/u);
        const coloured = painter(screen(true), {})("bold", text);
        assert.doesNotMatch(coloured.slice(4, -5), /\p{Cc}/u);
      }),
    );
  });
});

describe("tables", () => {
  it("align by what is seen, not by what is written", () => {
    const paint = painter(screen(true), {});
    const text = formatTable(
      [
        ["a", { text: "x", style: "red" }, "end"],
        ["日本", "yyy", "end"],
        ["e\u0301", "z", ""],
      ],
      { paint, indent: "  " },
    );
    const seen = text.replaceAll(/\u001b\[\d+m/g, "");
    assert.equal(seen, "  a     x    end\n  日本  yyy  end\n  e\u0301     z\n");
    assert.ok(text.includes(`${ESCAPE}[31mx${ESCAPE}[39m`));
  });

  it("align numbers to the right", () => {
    assert.equal(
      formatTable(
        [
          ["a", "5", "x"],
          ["b", "1,234", "y"],
        ],
        { paint: plain, right: [1] },
      ),
      "a      5  x\nb  1,234  y\n",
    );
    assert.equal(formatTable([], { paint: plain }), "");
  });

  it("measure what is wide and what has no width", () => {
    assert.deepEqual(["abc", "ä", "e\u0301", "日本", "✓", "🚀"].map(displayWidth), [3, 1, 1, 4, 1, 2]);
  });
});

describe("numbers", () => {
  it("are counted with commas and nouns", () => {
    assert.deepEqual([0, 12, 123, 1234, 1234567].map(formatCount), ["0", "12", "123", "1,234", "1,234,567"]);
    assert.deepEqual([plural(1, "route"), plural(0, "route"), plural(2000, "route")], ["1 route", "0 routes", "2,000 routes"]);
  });

  it("of shares never look like nothing or all when they are not", () => {
    const shown = [0, 0.00001, 0.021, 0.5, 0.99999, 1].map(formatShare);
    assert.deepEqual(shown, ["0%", "<0.1%", "2.1%", "50%", ">99.9%", "100%"]);
  });

  it("of time have at most two units", () => {
    const cases = [0, 740, 999.4, 999.6, 1234, 9949, 9999, 59_600, 60_000, 185_000, 3_600_000, 187_200_000];
    const shown = ["0ms", "740ms", "999ms", "1.0s", "1.2s", "9.9s", "10s", "1m", "1m", "3m 5s", "1h", "2d 4h"];
    assert.deepEqual(cases.map(formatElapsed), shown);
  });
});

describe("progress", () => {
  it("says nothing in a pipe", () => {
    const output = screen(false);
    const progress = createProgress({ label: "replay", total: 10, output });
    progress.update(5);
    progress.end();
    assert.deepEqual(output.written, []);
  });

  it("redraws one line ten times a second and takes it away", () => {
    const output = screen(true, 200);
    let now = 0;
    const progress = createProgress({ label: "replay", total: 1000, output, nowMs: () => now });
    for (let done = 1; done <= 1000; done += 1) {
      now += 1;
      progress.update(done);
    }
    progress.end();
    assert.equal(output.written.length, 11);
    assert.equal(output.written[4], `\r${ESCAPE}[2Kreplay  ████████████░░░░░░░░░░░░  50%  500 of 1,000  500ms left`);
    assert.equal(output.written[10], `\r${ESCAPE}[2K`);
  });

  it("never wraps, and needs no total", () => {
    const output = screen(true, 20);
    let now = 0;
    const progress = createProgress({ label: "reading the log", total: 0, output, nowMs: () => now });
    now = 5000;
    progress.update(123_456);
    assert.equal(output.written[0], `\r${ESCAPE}[2Kreading the log  12`);
  });
});

it("JSON is one document with a newline at its end, and nothing in it that a terminal obeys", () => {
  const output = screen(true);
  const data = { a: "\u001b[31m \u009b31m \u202e \u007f ä" };
  writeJson(data, output);
  assert.deepEqual(output.written, ['{\n  "a": "\\u001b[31m \\u009b31m \\u202e \\u007f ä"\n}\n']);
  assert.deepEqual(JSON.parse(output.written.join("")), data);
});
