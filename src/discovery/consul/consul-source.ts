/** Endpoints of a service in Consul: of one datacentre, or of several that stand in for each other in the order they are written. */
import type { ConsulSourceSpec } from "../../engine/model/endpoint-source.js";
import { createFollower } from "../follower.js";
import { splitSink } from "../merged-sink.js";
import type { Source, SourceSink } from "../source.js";
import { followHealth } from "./follow-health.js";

/** Of the server that is asked. */
const OWN_DATACENTER = "";

export function createConsulSource(spec: ConsulSourceSpec, sink: SourceSink): Source {
  const datacenters = spec.datacenters.length === 0 ? [OWN_DATACENTER] : spec.datacenters;
  const sinks = splitSink(sink, datacenters.length);
  const followers = datacenters.map((datacenter, priority) =>
    createFollower(followHealth(spec, { datacenter, priority }), sinks[priority] as SourceSink),
  );
  return {
    start() {
      for (const follower of followers) follower.start();
    },
    stop() {
      for (const follower of followers) follower.stop();
    },
  };
}
