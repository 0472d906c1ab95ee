import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { COMMANDS } from "../../../src/cli/commands.js";
import { isFlag } from "../../../src/cli/completion-table.js";
import { EXIT } from "../../../src/cli/exit-codes.js";
import { MAIN } from "../../support/gateway.js";

const NAMES = COMMANDS.map(({ name }) => name);

function windrose(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
}

describe("windrose", () => {
  it("lists commands and exit codes on --help and help", () => {
    const { status, stdout, stderr } = windrose("--help");
    assert.deepEqual([status, stderr], [0, ""]);
    for (const command of NAMES) assert.match(stdout, new RegExp(`^ {2}${command} `, "m"));
    for (const code of Object.values(EXIT)) assert.match(stdout, new RegExp(`^ +${code} {2}\\S`, "m"));
    assert.equal(windrose("help").stdout, stdout);
    assert.equal(windrose("-h").stdout, stdout);
  });

  it("shows the same text on stderr, as a mistake, when no command is given", () => {
    const { status, stdout, stderr } = windrose();
    assert.deepEqual([status, stdout], [64, ""]);
    assert.equal(stderr, windrose("--help").stdout);
  });

  it("tells its version", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    const { status, stdout } = windrose("--version");
    assert.deepEqual([status, stdout], [0, `windrose ${version} (node ${process.versions.node})\n`]);
  });

  for (const command of NAMES) {
    it(`explains ${command} with --help, -h and help ${command}`, () => {
      const { status, stdout, stderr } = windrose(command, "--help");
      assert.deepEqual([status, stderr], [0, ""]);
      assert.match(stdout, new RegExp(`^Usage: windrose ${command} `));
      assert.match(stdout, /Exit codes:/);
      assert.equal(windrose(command, "-h").stdout, stdout);
      assert.equal(windrose("help", command).stdout, stdout);
    });
  }

  for (const { name, load } of COMMANDS) {
    it(`tells all flags of ${name} in its help, and no others`, async () => {
      const { shape } = await load();
      const { FLAGS, TEXT } = shape;
      for (const [long, { short }] of Object.entries(FLAGS)) {
        const told: readonly (readonly [string, string])[] = TEXT.flags.filter(([text]) => isFlag(text, long));
        assert.equal(told.length, 1, `--${long}`);
        if (short !== undefined) assert.ok(told[0]?.[0].startsWith(`-${short}, `), `-${short}`);
        assert.notEqual(told[0]?.[1], "", `--${long}`);
      }
      assert.equal(TEXT.flags.length, Object.keys(FLAGS).length);
    });
  }

  const refused: [args: string[], message: RegExp][] = [
    [["chek"], /unknown command "chek" \(did you mean "check"\?\)/],
    [["frobnicate"], /unknown command "frobnicate"\n/],
    [["--verbose"], /unknown option "--verbose"/],
    [["toString"], /unknown command "toString"/],
    [["help", "chek"], /did you mean "check"/],
    [["run"], /say which configuration: -c FILE/],
    [["run", "-c"], /argument missing/],
    [["run", "--confg", "x"], /unknown option --confg \(did you mean --config\?\)/],
    [["run", "-c", "x", "--ready-fd", "three"], /--ready-fd "three" is not a file descriptor/],
    [["run", "x.yaml"], /unexpected "x\.yaml"/],
    [["quickstart", "now"], /unexpected "now"/],
    [["check", "--jsn", "x"], /unknown option --jsn \(did you mean --json\?\)/],
    [["certs", "dev", "--json", "--quiet"], /--json and --quiet exclude each other/],
    [["diff", "a.yaml"], /say which two: A and B/],
    [["diff", "a", "b", "c"], /unexpected "c"/],
    [["diff", "a", "b", "--admin", "http://x", "--state", "y"], /--admin and --state exclude each other/],
    [["diff", "3f2a", "b.yaml"], /there is no file 3f2a; versions need --admin or --state/],
    [["diff", "a.yaml", "~1"], /there is no file ~1; versions need --admin or --state/],
    [["completion"], /for which shell: bash, zsh, fish/],
    [["completion", "tcsh"], /unknown shell "tcsh", there are bash, zsh, fish/],
  ];
  for (const [args, message] of refused) {
    it(`refuses "windrose ${args.join(" ")}" with 64 and says where help is`, () => {
      const { status, stdout, stderr } = windrose(...args);
      assert.match(stderr, message);
      assert.match(stderr, /\nTry: windrose .*--help\n$/);
      assert.deepEqual([status, stdout], [64, ""]);
    });
  }

  it("reports every problem of a configuration and ends with 78 before anything starts", () => {
    const { status, stdout, stderr } = windrose("run", "-c", "does-not-exist.yaml");
    assert.deepEqual([status, stdout], [78, ""]);
    assert.match(stderr, /does-not-exist\.yaml/);
    assert.match(stderr, /windrose: does-not-exist\.yaml has 1 problem; nothing was started\n$/);
  });
});
