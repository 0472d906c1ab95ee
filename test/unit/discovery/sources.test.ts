import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { backoffMs } from "../../../src/discovery/poller.js";
import type { SourceSink } from "../../../src/discovery/source.js";
import { createSources, type EndpointUpdate, type RememberedSet, type Sources } from "../../../src/discovery/sources.js";
import type { DynamicSourceSpec, FileSourceSpec } from "../../../src/engine/model/endpoint-source.js";
import type { EndpointSpec, ServiceSpec } from "../../../src/engine/model/snapshot.js";
import { endpointSpec, serviceSpec } from "../engine/balancing/endpoints.js";

const [A, B, C] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((host) => endpointSpec(host)) as [EndpointSpec, EndpointSpec, EndpointSpec];

/** Sources that do as they are told, by path; the sources themselves are tested with real files and servers. */
interface Told {
  readonly spec: DynamicSourceSpec;
  readonly sink: SourceSink;
  isStarted: boolean;
  isStopped: boolean;
}

describe("sources", () => {
  let told: Told[];
  let updates: EndpointUpdate[];
  let log: string[];
  let remembered: readonly RememberedSet[];
  beforeEach(() => {
    remembered = [];
    told = [];
    updates = [];
    log = [];
  });

  function start(...services: readonly ServiceSpec[]): Sources {
    return createSources(services, {
      createSource(spec, sink) {
        const one: Told = { spec, sink, isStarted: false, isStopped: false };
        told.push(one);
        return {
          start: () => {
            one.isStarted = true;
          },
          stop: () => {
            one.isStopped = true;
          },
        };
      },
      remembered,
      onUpdate: (update) => updates.push(update),
      log: (message) => log.push(message),
    });
  }

  function service(path: string, changes: Partial<FileSourceSpec> = {}, name = "orders"): ServiceSpec {
    return { ...serviceSpec([]), name, endpoints: { type: "file", path, minimumEndpoints: 1, ...changes } };
  }

  const sink = (index: number): SourceSink => (told[index] as Told).sink;
  const hosts = (sources: Sources, name = "orders"): string =>
    sources
      .endpointsOf(name)
      .map(({ host }) => host.at(-1))
      .join("");
  const status = (sources: Sources): string => sources.state()[0]?.status as string;

  it("tell what they find when it changes, and only then", () => {
    const sources = start(service("/a"));
    void sources.start();
    assert.equal(status(sources), "waiting");
    sink(0).found([A]);
    sink(0).found([A]);
    sink(0).found([A, B]);
    assert.deepEqual(
      updates.map(({ service: name, place, version, endpoints }) => [name, place, version, endpoints.length]),
      [
        ["orders", "file /a", 1, 1],
        ["orders", "file /a", 2, 2],
      ],
    );
    assert.deepEqual(sources.updates(), [updates[1]]);
  });

  it("are waited for until each has answered or failed", async () => {
    const sources = start(service("/a"), service("/b", {}, "catalog"));
    let isDone = false;
    const done = sources.start().then(() => {
      isDone = true;
    });
    sink(0).found([A]);
    await Promise.resolve();
    assert.equal(isDone, false);
    sink(1).failed("no such file");
    await done;
  });

  it("keep the last set when they fail, and say so once", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    for (let i = 0; i < 3; i++) sink(0).failed("broken");
    assert.deepEqual([hosts(sources), status(sources), sources.state()[0]?.failures], ["1", "stale", 3]);
    assert.deepEqual(log, ["service orders: broken; the last endpoints stay in use"]);
    sink(0).found([A]);
    assert.deepEqual([status(sources), updates.length], ["ready", 1]);
    assert.equal(log.at(-1), "service orders: file /a is well again");
  });

  const shrinking: readonly (readonly [what: string, minimum: number, before: EndpointSpec[], after: EndpointSpec[], kept: string])[] = [
    ["an empty set does not replace one", 1, [A], [], "1"],
    ["endpoints without weight do not count", 1, [A], [{ ...B, weight: 0 }], "1"],
    ["a set below the minimum does not replace a larger one", 2, [A, B, C], [A], "123"],
    ["a set below the minimum does not shrink another", 3, [A, B], [C], "12"],
    ["a set below the minimum may change and grow", 3, [A], [B, C], "23"],
    ["a set at the minimum may replace a larger one", 2, [A, B, C], [A, B], "12"],
    ["an empty set is right when it is allowed", 0, [A], [], ""],
    ["an empty set is right when nothing was there", 1, [], [], ""],
  ];
  for (const [what, minimumEndpoints, before, after, kept] of shrinking) {
    it(what, () => {
      const sources = start(service("/a", { minimumEndpoints }));
      sink(0).found(before);
      sink(0).found(after);
      assert.equal(hosts(sources), kept);
    });
  }

  it("refuse more endpoints than any service has", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    sink(0).found(Array.from({ length: 10_001 }, (_, i) => endpointSpec(`10.1.${i >> 8}.${i & 255}`)));
    assert.equal(hosts(sources), "1");
    assert.match(sources.state()[0]?.lastError as string, /names 10001 endpoints/);
  });

  it("of an unchanged specification survive a reload untouched", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    sources.prepare([{ ...service("/a"), connectTimeoutMs: 1 }]).commit();
    assert.equal(told.length, 1);
    assert.equal(told[0]?.isStopped, false);
  });

  it("whose settings change keep what the place said, the newest of it", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    const prepared = sources.prepare([service("/a", { minimumEndpoints: 2 })]);
    sink(0).found([A, B, C]);
    prepared.commit();
    assert.equal(told[0]?.isStopped, true);
    assert.equal(hosts(sources), "123");
    sink(1).found([A]);
    assert.equal(hosts(sources), "123");
  });

  it("whose settings change are not overruled by what the old ones find, once they have answered", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    const prepared = sources.prepare([service("/a", { minimumEndpoints: 0 })]);
    sink(1).found([B]);
    sink(0).found([A, C]);
    prepared.commit();
    assert.equal(hosts(sources), "2");
  });

  it("withdraw what they have named themselves, also while they do not know everything, and nothing else", () => {
    remembered = [{ service: "orders", place: "file /a", endpoints: [C], confirmedAtMs: 5, changedAtMs: 4 }];
    const sources = start(service("/a"));
    sink(0).found([A], true);
    assert.equal(hosts(sources), "13");
    sink(0).found([B], true);
    assert.equal(hosts(sources), "23");
    sink(0).found([B]);
    assert.equal(hosts(sources), "2");
  });

  it("that are prepared when all end, end too, and begin nothing at a late commit", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    const prepared = sources.prepare([service("/b")]);
    sources.stop();
    assert.deepEqual([told[0]?.isStopped, told[1]?.isStopped], [true, true]);
    prepared.commit();
    assert.equal(updates.length, 1);
  });

  it("of another place tell nothing before their commit, then at once", async () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    const prepared = sources.prepare([service("/b")]);
    sink(1).found([B]);
    await prepared.ready;
    assert.deepEqual([hosts(sources), updates.length], ["1", 1]);
    prepared.commit();
    assert.deepEqual([hosts(sources), updates.at(-1)?.place], ["2", "file /b"]);
    sink(0).found([C]);
    assert.equal(hosts(sources), "2");
  });

  it("know a place again when a change is taken back while it cannot be asked", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    sources.prepare([service("/b")]).commit();
    assert.equal(hosts(sources), "");
    sources.prepare([service("/a")]).commit();
    sink(2).failed("gone");
    assert.deepEqual([hosts(sources), status(sources)], ["1", "stale"]);
  });

  it("that are given up before the commit leave nothing behind", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    const prepared = sources.prepare([service("/b")]);
    prepared.cancel();
    sink(1).found([B]);
    assert.deepEqual([told[1]?.isStopped, hosts(sources)], [true, "1"]);
  });

  it("begin with what a former process left, of the same place only", async () => {
    remembered = [{ service: "orders", place: "file /a", endpoints: [A, B], confirmedAtMs: 5, changedAtMs: 4 }];
    const sources = start(service("/a"));
    const done = sources.start();
    assert.deepEqual([hosts(sources), status(sources), sources.updates().length], ["12", "stale", 1]);
    sink(0).failed("gone");
    await done;
    assert.deepEqual(sources.remember(), remembered);
    sink(0).found([A, B]);
    assert.deepEqual([status(sources), updates.length], ["ready", 0]);
    assert.equal(hosts(start(service("/b"))), "");
    assert.equal(hosts(start(service("/a", {}, "catalog")), "catalog"), "");
  });

  it("take over a set of which a part could not be confirmed, and count as failing until all is", () => {
    const sources = start(service("/a"));
    sink(0).found([A]);
    sink(0).found([B], false, { failure: "b is gone", note: "" });
    sink(0).found([C], false, { failure: "b is gone", note: "" });
    assert.deepEqual([hosts(sources), status(sources), sources.state()[0]?.lastError], ["3", "stale", "b is gone"]);
    sink(0).found([C]);
    assert.equal(status(sources), "ready");
    assert.deepEqual(log, ["service orders: b is gone", "service orders: file /a is well again"]);
  });

  it("log what is left out of a set once, and again when it is something else", () => {
    start(service("/a"));
    for (const note of ["odd", "odd", "", "odd", "odder", "odd"]) sink(0).found([A], false, { failure: "", note });
    assert.deepEqual(log, ["service orders: odd", "service orders: odder", "service orders: odd"]);
  });

  it("tell listeners of all services, static ones too, and of those that are gone", () => {
    const heard: string[] = [];
    const sources = start(service("/a"), { ...serviceSpec([A]), name: "catalog" });
    sources.onEndpoints((name, endpoints) => heard.push(`${name} ${endpoints?.length ?? "gone"}`));
    sink(0).found([A, B]);
    sources.prepare([{ ...serviceSpec([A, B, C]), name: "catalog" }]).commit();
    assert.deepEqual(heard, ["catalog 1", "orders 0", "orders 2", "catalog 3", "orders gone"]);
  });
});

describe("pauses between tries", () => {
  it("double up to half a minute, and differ", () => {
    assert.deepEqual(
      [1, 2, 3, 6, 30].map((failures) => backoffMs(failures, 0)),
      [500, 1_000, 2_000, 15_000, 15_000],
    );
    assert.ok(backoffMs(30, 0.999) > 29_000 && backoffMs(30, 0.999) < 30_000);
  });
});
