/** Endpoints from etcd: one key of a prefix for each, usually under a lease. */
import type { EtcdSourceSpec } from "../../engine/model/endpoint-source.js";
import { createFollower } from "../follower.js";
import type { Source, SourceSink } from "../source.js";
import { followPrefix } from "./follow-prefix.js";

export function createEtcdSource(spec: EtcdSourceSpec, sink: SourceSink): Source {
  return createFollower(followPrefix(spec), sink);
}
