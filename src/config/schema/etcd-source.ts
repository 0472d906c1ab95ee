/** `endpoints.etcd`: values of the keys of a prefix in etcd 3.4 or later. */
import { z } from "zod";
import { minimumEndpoints } from "./source-guards.js";
import { serverTls, serverUrls } from "./source-server.js";
import { lineOfText, positiveDuration, textOrFile } from "./values.js";

export const etcdSource = z.strictObject({
  urls: serverUrls("http://127.0.0.1:2379"),
  prefix: lineOfText(1_024).describe(
    "Every key that begins so is an endpoint, so end it with a slash. Values: a list item as under static, as JSON; host:port; or what etcd's naming packages write.",
  ),
  username: lineOfText(256).optional().describe("Logs in, and again when the token is over. Names in certificates do not count."),
  password: textOrFile(z.string().min(1)).optional().describe("Secret."),
  timeout: positiveDuration().default("5s").describe("Of one question to one server. One that hangs is left after this and 5 s more."),
  tls: serverTls.optional(),
  minimumEndpoints: minimumEndpoints(),
});

export type EtcdSource = z.output<typeof etcdSource>;
