import assert from "node:assert/strict";
import { it } from "node:test";
import { createFoundEndpoints } from "../../../src/control/found-endpoints.js";
import type { ServiceSpec } from "../../../src/engine/model/snapshot.js";
import { endpointSpec, serviceSpec } from "../engine/balancing/endpoints.js";

const service = (path: string): ServiceSpec => ({
  ...serviceSpec([]),
  name: "app",
  endpoints: { type: "file", path, minimumEndpoints: 1 },
});

it("sets of the snapshot before are kept, for it may come back", () => {
  const found = createFoundEndpoints();
  found.take({ type: "endpoints", service: "app", place: "file /a", version: 1, endpoints: [endpointSpec("10.0.0.1")] });
  for (const path of ["/a", "/b"]) found.retain([service(path)]);
  assert.equal(found.endpointsOf(service("/a")).length, 1);
  for (const path of ["/a", "/b", "/c"]) found.retain([service(path)]);
  assert.equal(found.endpointsOf(service("/a")).length, 0);
});
