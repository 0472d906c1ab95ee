import assert from "node:assert/strict";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { test } from "node:test";
import { stateDirectory } from "../../../src/control/state-directory.js";

const CONFIG = "/etc/windrose/edge.yaml";
/** sha256sum of the path. */
const FOLDER = "41c4943966575fdc";

test("the state of a configuration lies in a folder of its own, where the flag or the environment says", () => {
  const cases: [flag: string, env: Record<string, string>, root: string][] = [
    ["/var/state", { STATE_DIRECTORY: "/a", XDG_STATE_HOME: "/b", HOME: "/c" }, "/var/state"],
    ["", { STATE_DIRECTORY: "/a", XDG_STATE_HOME: "/b", HOME: "/c" }, "/a"],
    ["", { STATE_DIRECTORY: "/a:/x", HOME: "/c" }, "/a"],
    ["", { STATE_DIRECTORY: "", XDG_STATE_HOME: "/b", HOME: "/c" }, "/b/windrose"],
    ["", { XDG_STATE_HOME: "relative", HOME: "/c" }, "/c/.local/state/windrose"],
    ["", {}, `${homedir()}/.local/state/windrose`],
    ["relative", {}, resolve("relative")],
  ];
  for (const [flag, env, root] of cases) assert.equal(stateDirectory(flag, env, CONFIG), `${root}/${FOLDER}`);
});

test("it is the absolute path that counts", () => {
  assert.equal(stateDirectory("/s", {}, "x.yaml"), stateDirectory("/s", {}, resolve("x.yaml")));
  assert.notEqual(stateDirectory("/s", {}, "x.yaml"), stateDirectory("/s", {}, "y.yaml"));
});
