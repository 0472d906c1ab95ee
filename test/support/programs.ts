/** Tests that need an external program: without it they skip visibly, and fail where CI promised to have it. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/** For `skip` of a suite: why, or false when it is there. */
export function missingProgram(program: string): string | false {
  if (spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined) return false;
  if (process.env.CI) throw new Error(`${program} is not installed, and CI is set`);
  return `${program} is not installed`;
}

/** False: the test was marked as skipped and returns. */
export function needProgram(t: TestContext, program: string): boolean {
  const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  if (error === undefined) return true;
  if (process.env.CI) throw new Error(`${program} is not installed, and CI is set`);
  t.skip(`${program} is not installed`);
  return false;
}
