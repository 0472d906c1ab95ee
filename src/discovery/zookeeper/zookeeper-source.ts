/** Endpoints from ZooKeeper: the children of a node, usually ephemeral. */
import type { ZooKeeperSourceSpec } from "../../engine/model/endpoint-source.js";
import { createFollower } from "../follower.js";
import type { Source, SourceSink } from "../source.js";
import { followChildren } from "./follow-children.js";

export function createZooKeeperSource(spec: ZooKeeperSourceSpec, sink: SourceSink): Source {
  return createFollower(followChildren(spec), sink);
}
