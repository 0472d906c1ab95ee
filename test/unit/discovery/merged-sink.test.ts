import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { splitSink } from "../../../src/discovery/merged-sink.js";
import type { SourceSink } from "../../../src/discovery/source.js";
import type { EndpointSpec } from "../../../src/engine/model/snapshot.js";
import { endpointSpec } from "../engine/balancing/endpoints.js";

const at = (host: string, priority: number): EndpointSpec => ({ ...endpointSpec(host), priority });

describe("sources that make up one", () => {
  let told: string[];
  let first: SourceSink;
  let second: SourceSink;
  beforeEach(() => {
    told = [];
    [first, second] = splitSink(
      {
        found: (endpoints, isPartial, remarks) => {
          const hosts = endpoints.map(({ host, priority }) => `${host}/${priority}`).join(" ");
          told.push(`${isPartial === true ? "partly " : ""}${hosts} [${remarks?.failure}] [${remarks?.note}]`);
        },
        failed: (message) => told.push(message),
        planned: (nextTryAtMs) => told.push(`planned ${nextTryAtMs}`),
      },
      2,
    ) as [SourceSink, SourceSink];
  });

  it("tell what all know, and for an endpoint that several name what the preferred one says", () => {
    first.found([at("a", 0)]);
    second.found([at("a", 1), at("b", 1)]);
    assert.deepEqual(told, ["partly a/0 [] []", "a/0 b/1 [] []"]);
  });

  it("go on without one that fails, and say so", () => {
    first.found([at("a", 0)]);
    second.failed("gone");
    first.found([at("c", 0)]);
    second.found([at("b", 1)], false, { failure: "", note: "odd" });
    second.failed("gone again");
    first.found([at("d", 0)]);
    assert.deepEqual(told, ["partly a/0 [] []", "gone", "c/0 [gone] []", "c/0 b/1 [] [odd]", "gone again", "d/0 b/1 [gone again] [odd]"]);
  });

  it("keep what was known beside the rest while the preferred one has told nothing", () => {
    second.found([at("b", 1)]);
    first.failed("gone");
    second.found([at("c", 1)]);
    first.found([at("a", 0)]);
    assert.deepEqual(told, ["partly b/1 [] []", "gone", "partly c/1 [gone] []", "a/0 c/1 [] []"]);
  });

  it("have failed when all have, and not before", () => {
    first.failed("gone");
    assert.deepEqual(told, []);
    second.failed("gone too");
    assert.deepEqual(told, ["gone; gone too"]);
  });

  it("plan the earliest try of all", () => {
    first.planned(0);
    second.planned(7);
    first.planned(5);
    first.planned(0);
    assert.deepEqual(told, ["planned 0", "planned 7", "planned 5", "planned 7"]);
  });
});
