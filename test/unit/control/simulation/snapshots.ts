/** Snapshots and requests for the tests of the simulation. */
import assert from "node:assert/strict";
import { formatProblem, parseConfig } from "../../../../src/config/index.js";
import { type DescribedRequest, readDescription } from "../../../../src/control/simulation/described-request.js";
import { createSimulator, type Examination, type Simulator } from "../../../../src/control/simulation/simulator.js";
import type { RequestDescription } from "../../../../src/engine/model/explanation.js";
import type { Snapshot } from "../../../../src/engine/model/snapshot.js";

export function compile(yaml: string, env: Readonly<Record<string, string>> = {}): Snapshot {
  const result = parseConfig(yaml, "test.yaml", { env });
  assert.deepEqual(result.ok ? [] : result.problems.map(formatProblem), []);
  assert.ok(result.ok);
  return result.snapshot;
}

export function simulator(yaml: string, env: Readonly<Record<string, string>> = {}): Simulator {
  return createSimulator(compile(yaml, env));
}

export function request(
  text: string,
  more: Omit<RequestDescription, "request"> = {},
  claims: DescribedRequest["claims"] = null,
): DescribedRequest {
  const described = readDescription({ request: text, ...more }, claims);
  assert.ok(described.ok, described.ok ? "" : `${described.field} ${described.message}`);
  return described.request;
}

export async function examine(of: Simulator, ...described: Parameters<typeof request>): Promise<Examination> {
  const examined = await of.examine(request(...described));
  assert.ok(typeof examined !== "string", String(examined));
  return examined;
}

/** The verdict in a few words. */
export function verdictOf({ decision: { route, verdict, status, error } }: Examination): string {
  return [route || "-", verdict, ...(status === 0 ? [] : [status]), ...(error === "" ? [] : [error])].join(" ");
}
