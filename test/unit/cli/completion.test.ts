/** Completion scripts in the shells themselves: bash must be there, zsh and fish are used where they are installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { completionScript } from "../../../src/cli/completion-scripts.js";
import type { CompletableCommand } from "../../../src/cli/completion-table.js";
import { MAIN } from "../../support/gateway.js";
import { needProgram } from "../../support/programs.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-completion-"));
after(() => rmSync(directory, { recursive: true, force: true }));
for (const name of ["edge one.yaml", "other.yaml"]) writeFileSync(join(directory, name), "");
mkdirSync(join(directory, "state"));

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: directory, timeout: 120_000 });
  assert.deepEqual([status, stderr], [0, ""], `${program} ${args.join(" ")}`);
  return stdout;
}

function script(shell: string): string {
  const path = join(directory, `.windrose.${shell}`);
  writeFileSync(path, run(process.execPath, [MAIN, "completion", shell]));
  return path;
}

/** What Tab offers after each of these lines. */
const OFFERS: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ["windrose comp", ["completion"]],
  ["windrose run --last", ["--last-good"]],
  ["windrose run --config o", ["other.yaml"]],
  ["windrose run -c o", ["other.yaml"]],
  ["windrose run --state ", ["state/"]],
  ["windrose certs ", ["dev"]],
  ["windrose token --sub ", []],
  ["windrose quickstart ", []],
  ["windrose check e", ["edge one.yaml"]],
  ["windrose help che", ["check"]],
  ["windrose completion ", ["bash", "fish", "zsh"]],
];

describe("completion in bash", () => {
  /** The words as readline would split them, the last one being completed. */
  function complete(line: string, words = line.split(" ")): string[] {
    const harness = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _windrose; printf "%s\\n" "${COMPREPLY[@]}"';
    return run("bash", ["--norc", "-c", harness, "bash", script("bash"), ...words])
      .split("\n")
      .filter(Boolean)
      .sort();
  }

  for (const [line, offered] of OFFERS) {
    it(`offers ${JSON.stringify(offered)} after "${line}"`, () => {
      // readline adds the slash to folders.
      assert.deepEqual(
        complete(line),
        offered.map((word) => word.replace(/\/$/, "")),
      );
    });
  }

  it("offers every command, and every flag of one", () => {
    const help = run(process.execPath, [MAIN, "--help"]);
    const commands = complete("windrose ").filter((word) => !word.startsWith("-"));
    assert.deepEqual(commands, [...help.matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, name]) => name).sort());
    const flags = [...run(process.execPath, [MAIN, "run", "--help"]).matchAll(/(?<=^ {2}|, )--?[a-z-]+/gm)].map(([flag]) => flag);
    assert.deepEqual(complete("windrose run -"), flags.sort());
  });

  it("knows --flag=value, which is three words", () => {
    assert.deepEqual(complete("", ["windrose", "run", "--config", "=", "o"]), ["other.yaml"]);
    assert.deepEqual(complete("", ["windrose", "run", "--state", "="]), ["state"]);
  });

  it("completes as Tab does in a session of one's own", (t) => {
    if (!needProgram(t, "script")) return;
    const keys = `source ${script("bash")}\nwindrose run --conf\toth\t\u0001printf '<%s>' "\u0005"\nexit\n`;
    const { stdout } = spawnSync("script", ["-qec", "env PS1='$ ' bash --norc --noprofile -i", "/dev/null"], {
      encoding: "utf8",
      cwd: directory,
      input: keys,
      timeout: 30_000,
    });
    assert.match(stdout, /<windrose run --config other\.yaml >/);
  });
});

describe("completion in fish (where it is installed)", () => {
  it("offers the same", (t) => {
    if (!needProgram(t, "fish")) return;
    const path = script("fish");
    for (const [line, offered] of OFFERS) {
      const output = run("fish", ["--no-config", "-c", `source ${path}; complete -C '${line}'`]);
      const words = output
        .split("\n")
        .map((found) => found.split("\t")[0] ?? "")
        .filter(Boolean);
      assert.deepEqual(words.sort(), offered, line);
    }
  });
});

describe("completion scripts", () => {
  const hostile: CompletableCommand = {
    name: "x",
    summary: 'it\'s $(touch owned) `touch owned`: [a] \\ "b"',
    flags: [{ long: "flag", short: "f", meaning: "it's [$(touch owned)]: \\ `touch owned`", takes: "files", isRepeatable: true }],
    words: ["dev"],
  };

  for (const shell of ["bash", "zsh", "fish"] as const) {
    it(`for ${shell} take every text as text (read by ${shell} where it is installed)`, (t) => {
      const text = completionScript(shell, [hostile]);
      assert.match(text, /windrose/);
      if (!needProgram(t, shell)) return;
      const path = join(directory, `.hostile.${shell}`);
      writeFileSync(path, text);
      run(shell, ["-n", path]);
      run(shell, [
        shell === "bash" ? "--norc" : shell === "fish" ? "--no-config" : "-f",
        "-c",
        `cd ${directory}; ${shell === "zsh" ? "compdef() { :; }; " : ""}source ${path}; cat owned >/dev/null 2>&1 && exit 3; exit 0`,
      ]);
    });
  }
});
