/** `endpoints.nacos`: instances of a service as Nacos' open API tells them. */
import { z } from "zod";
import { minimumEndpoints } from "./source-guards.js";
import { serverTls, serverUrls } from "./source-server.js";
import { lineOfText, positiveDuration, textOrFile } from "./values.js";

export const nacosSource = z.strictObject({
  urls: serverUrls("http://127.0.0.1:8848, or with the context path when it is not /nacos"),
  api: z.enum(["v1", "v2", "v3"]).default("v1").describe("v1: servers up to 2. v2: servers from 2.2. v3: servers from 3."),
  service: lineOfText(512).optional().describe("Its name in Nacos. Default: the name of the service."),
  group: lineOfText(256).default("DEFAULT_GROUP"),
  namespace: lineOfText(256).optional().describe("Its id. Default: public."),
  clusters: z.array(clusterName()).max(64).default([]).describe("Default: all."),
  zoneKey: lineOfText(256).optional().describe("Key of the metadata that tells an instance's zone. Default: the name of its cluster."),
  username: lineOfText(256).optional().describe("Logs in, and again before the token is over."),
  password: textOrFile(z.string().min(1)).optional().describe("Secret."),
  accessToken: textOrFile(z.string().min(1)).optional().describe("Instead of a login. Secret."),
  minRefresh: positiveDuration().default("1s").describe("Answers are used for as long as Nacos says (cacheMillis), but at least for this…"),
  maxRefresh: positiveDuration().default("5s").describe("…and at most for this."),
  timeout: positiveDuration().default("5s").describe("Of one question to one server."),
  tls: serverTls.optional(),
  minimumEndpoints: minimumEndpoints(),
});

export type NacosSource = z.output<typeof nacosSource>;

/** They are told in one list. */
function clusterName() {
  return lineOfText(256).refine((value) => !value.includes(","), "must not hold a comma");
}
