import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Endpoint } from "../../loadtest/chaos/endpoints.js";
import type { LoadReport, LoadSetting, Outcome } from "../../loadtest/chaos/load.js";
import { Child } from "../../loadtest/child.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway, within } from "../support/gateway.js";

const RATE = 80;
const ENDPOINTS = 4;
/** Five in a row eject it, but those that are stopped are noticed after a timeout, with 20 on their way; checks alone would need 2.5 s. */
const FEW_SENDS = 35;
const LOAD_END_MS = 20_000;

const POLICIES = `
    health: { path: /healthz, interval: 500ms, timeout: 500ms, unhealthyAfter: 5 }
    outlier: {}
    timeouts: { connect: 500ms }`;
const ROUTE = `timeouts: { backendRequest: 800ms }, retry: { attempts: 2, on: [connect-failure, reset, timeout, malformed], budgetMinPerSecond: 100 }`;

/** What callers see, while real processes behind the gateway are killed, stopped, or talk nonsense. */
describe("services that fail under load", () => {
  let directory = "";
  let endpoints: Endpoint[] = [];
  let gateway: Gateway;
  let endpointFile = "";
  const loads = new Set<Child<LoadReport>>();

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "windrose-chaos-test-"));
    endpoints = await Promise.all(Array.from({ length: ENDPOINTS }, () => Endpoint.start(directory, "", "")));
    endpointFile = join(directory, "endpoints.yaml");
    listInFile(endpoints);
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: 127.0.0.1:0, protocol: http }]
routes:
  - { name: written, match: [{ path: { value: /written } }], backends: [{ service: written }], ${ROUTE} }
  - { name: found, match: [{ path: { value: /found } }], backends: [{ service: found }], ${ROUTE} }
services:
  - name: written
    endpoints: { static: [${endpoints.map(({ address }) => `{ address: "${address}" }`).join(", ")}] }${POLICIES}
  - name: found
    endpoints: { file: { path: ${endpointFile} } }${POLICIES}
workers: 1
admin: { bind: 127.0.0.1:0 }
`);
  });
  after(async () => {
    for (const load of loads) load.kill();
    await gateway?.stop();
    for (const endpoint of endpoints) endpoint.end();
    rmSync(directory, { recursive: true, force: true });
  });

  function listInFile(listed: readonly Endpoint[]): void {
    writeFileSync(endpointFile, JSON.stringify(listed.map(({ address }) => ({ address }))));
  }

  /** Requests at a constant rate from now on; the function ends them and tells what became of each. */
  async function startLoad(prefix: string): Promise<{ startedAtMs: number; end: () => Promise<readonly Outcome[]> }> {
    const setting: LoadSetting = { port: gateway.port("public"), rate: RATE, prefixes: [prefix] };
    const load = new Child<LoadReport>(new URL("../../loadtest/chaos/load.js", import.meta.url), JSON.stringify(setting), "load");
    loads.add(load);
    const { startedAtMs } = await load.firstReport();
    const end = async (): Promise<readonly Outcome[]> => {
      const last = new Promise<LoadReport>((resolve) => load.process.once("message", resolve));
      load.send("stop");
      const { outcomes } = await within(LOAD_END_MS, last, () => "the load does not end");
      load.kill();
      return outcomes;
    };
    return { startedAtMs, end };
  }

  const sourceError = async (): Promise<string> => {
    const { text } = await fetchOnce(`${gateway.admin.url}/v1/sources`);
    const { sources } = JSON.parse(text) as { sources: readonly { service: string; lastError: string }[] };
    return sources.find(({ service }) => service === "found")?.lastError ?? "";
  };
  const stateOf = async (endpoint: Endpoint): Promise<string> => {
    const { text } = await fetchOnce(`${gateway.admin.url}/v1/services`);
    const { services } = JSON.parse(text) as { services: { name: string; endpoints: { address: string; state: string }[] }[] };
    const known = services.find(({ name }) => name === "written")?.endpoints.find(({ address }) => address === endpoint.address);
    return known?.state ?? "";
  };
  const failures = (outcomes: readonly Outcome[]): readonly Outcome[] => outcomes.filter(([, , result]) => result !== "200");
  const asked = (endpoint: Endpoint): number => endpoint.records().length;

  const faults = [
    { title: "is killed and started again", begin: (one: Endpoint) => one.kill(), end: (one: Endpoint) => one.restart() },
    { title: "is stopped and goes on", begin: async (one: Endpoint) => one.freeze(), end: async (one: Endpoint) => one.thaw() },
    { title: "answers with garbage", begin: (one: Endpoint) => one.behave("garbage"), end: (one: Endpoint) => one.behave("healthy") },
    { title: "resets connections", begin: (one: Endpoint) => one.behave("reset"), end: (one: Endpoint) => one.behave("healthy") },
  ];
  for (const [index, fault] of faults.entries()) {
    it(`hides that one of four ${fault.title}: no failure, few attempts, and its whole share afterwards`, async () => {
      const victim = endpoints[index]!;
      const load = await startLoad("/written");
      const before = asked(victim);
      await eventually(() => asked(victim) > before + 5, "it is asked");
      const logged = gateway.stdout().length;
      await fault.begin(victim);
      await eventually(async () => (await stateOf(victim)) === "unhealthy", "checks notice");
      await fault.end(victim);
      const mended = asked(victim);
      await eventually(() => asked(victim) >= mended + RATE / ENDPOINTS, "it is asked again, without waiting for the end of its ejection");
      const outcomes = await load.end();
      assert.deepEqual(failures(outcomes), []);
      const repeated = (): number => logLines(gateway.stdout().slice(logged)).filter(({ attempts }) => Number(attempts) > 1).length;
      await eventually(() => repeated() > 0, "attempts are logged");
      const sends = repeated();
      assert.ok(sends <= FEW_SENDS, `${sends} requests met it`);
    });
  }

  it("changes nothing while the source of endpoints is empty, broken and gone, and follows it again afterwards", async () => {
    const load = await startLoad("/found");
    const everybodyIsAskedAnew = async (): Promise<void> => {
      const before = endpoints.map(asked);
      await eventually(() => endpoints.every((endpoint, i) => asked(endpoint) > before[i]! + 5), "all four are asked");
    };
    await everybodyIsAskedAnew();
    const seen: string[] = [];
    for (const spoil of [() => writeFileSync(endpointFile, "[]"), () => writeFileSync(endpointFile, "- {"), () => rmSync(endpointFile)]) {
      spoil();
      await eventually(async () => !["", seen.at(-1)].includes(await sourceError()), "the source fails for another reason");
      seen.push(await sourceError());
      await everybodyIsAskedAnew();
    }
    listInFile(endpoints.slice(0, 2));
    await eventually(async () => (await sourceError()) === "", "the source is well");
    const before = endpoints.map(asked);
    await eventually(() => asked(endpoints[0]!) > before[0]! + 10, "the first is asked");
    assert.ok(
      endpoints.slice(2).every((endpoint, i) => asked(endpoint) <= before[i + 2]! + 2),
      "the others are not",
    );
    assert.deepEqual(failures(await load.end()), []);
  });
});
