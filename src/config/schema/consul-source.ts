/** `endpoints.consul`: instances of a service as Consul's health API tells them. */
import { z } from "zod";
import { minimumEndpoints } from "./source-guards.js";
import { serverTls, serverUrls } from "./source-server.js";
import { lineOfText, positiveDuration, textOrFile } from "./values.js";

/** Consul's own limit. */
const MAX_FILTER = 4_096;

export const consulSource = z.strictObject({
  urls: serverUrls("http://127.0.0.1:8500"),
  service: lineOfText(256).optional().describe("Its name in Consul. Default: the name of the service."),
  datacenters: z
    .array(lineOfText(256))
    .max(16)
    .default([])
    .describe("The first has priority 0, the next 1, and stands in for it. Default: the datacentre of the server that is asked."),
  tags: z.array(lineOfText(256)).max(16).default([]).describe("An instance must have all of them."),
  filter: lineOfText(MAX_FILTER).optional().describe('Consul\'s filter expression, such as Service.Meta.version == "2".'),
  namespace: lineOfText(256).optional().describe("Consul Enterprise. Default: that of the token."),
  partition: lineOfText(256).optional().describe("Consul Enterprise. Default: that of the server."),
  onlyPassing: z
    .boolean()
    .default(true)
    .describe("false: instances with a warning take traffic too, with their weight for warnings. Critical ones never do."),
  zoneKey: lineOfText(256)
    .default("zone")
    .describe("Key of Meta, of the instance or else of its node, that tells its zone; without it, its locality does."),
  token: textOrFile(z.string().min(1)).optional().describe("Needs service:read and node:read. Secret."),
  consistency: z
    .enum(["default", "consistent", "stale"])
    .default("default")
    .describe("stale: any server may answer, which spares the leader; answers may be a little older."),
  wait: positiveDuration()
    .default("30s")
    .describe("How long a server may hold back an answer without news: 1s to 10m. A server that is stuck is noticed when it is over."),
  timeout: positiveDuration().default("5s").describe("Of questions that are answered at once; of others, beyond wait."),
  tls: serverTls.optional(),
  minimumEndpoints: minimumEndpoints(),
});

export type ConsulSource = z.output<typeof consulSource>;
