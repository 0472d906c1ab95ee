/** `endpoints.zookeeper`: children of a node in ZooKeeper 3.4 or later. */
import { z } from "zod";
import { minimumEndpoints } from "./source-guards.js";
import { endpointAddress, type Flaw, lineOfText, positiveDuration, text, textOrFile } from "./values.js";

export const zooKeeperSource = z.strictObject({
  servers: z.array(endpointAddress()).min(1).max(16).describe("As host:2181, asked in random order, without TLS."),
  path: text(pathFlaw).describe(
    "Every child of this node is an endpoint; with a chroot, it is part of the path. Data: an instance as Apache Curator or Spring Cloud write it; a " +
      "list item as under static, as JSON; host:port, as data or as name.",
  ),
  username: userName().optional().describe("Of the scheme digest."),
  password: textOrFile(z.string().min(1)).optional().describe("Secret. Sent as it is: connections are without TLS."),
  sessionTimeout: positiveDuration()
    .default("10s")
    .describe("1s to 10m; servers have bounds of their own. A server that says nothing for two thirds of it is left."),
  minimumEndpoints: minimumEndpoints(),
});

export type ZooKeeperSource = z.output<typeof zooKeeperSource>;

/** A colon ends it where it is sent. */
function userName() {
  return lineOfText(256).refine((value) => !value.includes(":"), "must not hold a colon");
}

function pathFlaw(path: string): Flaw | null {
  const isLong = path.length > 1_024;
  const isMade = /^(?:\/[^/\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+)+$/.test(path);
  if (!isLong && isMade && !/\/\.\.?(?:\/|$)/.test(path)) return null;
  return { message: "{value} is not a path of ZooKeeper", hint: "begin it with a slash, and end it without: /services/orders" };
}
