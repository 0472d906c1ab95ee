import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { MAIN } from "../../support/gateway.js";

const LIVE = ["status", "reload", "apply", "history", "rollback", "upgrade", "explain-token"];
const COMMANDS = ["run", "check", ...LIVE, "certs", "token", "quickstart"];

function windrose(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
}

describe("windrose", () => {
  it("lists commands and exit codes on --help and help", () => {
    const { status, stdout, stderr } = windrose("--help");
    assert.deepEqual([status, stderr], [0, ""]);
    for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${command} `, "m"));
    for (const code of [0, 1, 64, 69, 78]) assert.match(stdout, new RegExp(`^ +${code} {2}\\S`, "m"));
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

  for (const command of COMMANDS) {
    it(`explains ${command} with --help, -h and help ${command}`, () => {
      const { status, stdout, stderr } = windrose(command, "--help");
      assert.deepEqual([status, stderr], [0, ""]);
      assert.match(stdout, new RegExp(`^Usage: windrose ${command} `));
      assert.match(stdout, /Exit codes:/);
      assert.equal(windrose(command, "-h").stdout, stdout);
      assert.equal(windrose("help", command).stdout, stdout);
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
