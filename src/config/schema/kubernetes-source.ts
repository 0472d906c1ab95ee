/** `endpoints.kubernetes`: endpoints of a Service as the EndpointSlices of a Kubernetes cluster tell them. */
import { z } from "zod";
import { minimumEndpoints } from "./source-guards.js";
import { serverTls, serverUrls } from "./source-server.js";
import { type Flaw, filePath, text, textOrFile } from "./values.js";

/** A label of DNS, as names of namespaces, Services and ports are. */
const OBJECT_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const objectName = () => text(objectNameFlaw).meta({ pattern: OBJECT_NAME.source });

export const kubernetesSource = z.strictObject({
  service: objectName().optional().describe("Its name in Kubernetes. Default: the name of the service."),
  namespace: objectName().optional().describe("Default: that of the pod which the gateway runs in, or default."),
  port: z
    .union([z.int().min(1).max(65_535), objectName()])
    .optional()
    .describe("Name or number of a TCP port of its pods (targetPort, not port of the Service). May be left out when there is only one."),
  urls: serverUrls("https://10.0.0.1:6443")
    .optional()
    .describe("Of its API servers. Default: those of the cluster that the gateway runs in."),
  tls: serverTls.optional().describe("How urls are spoken to."),
  token: textOrFile(z.string().min(1))
    .optional()
    .describe("Bearer token. Default: none with urls, that of the pod's service account without. Secret."),
  tokenFile: filePath().optional().describe("File of a token that changes with time: it is read for each request."),
  minimumEndpoints: minimumEndpoints(),
});

export type KubernetesSource = z.output<typeof kubernetesSource>;

function objectNameFlaw(value: string): Flaw | null {
  if (OBJECT_NAME.test(value)) return null;
  const [service = "", namespace = ""] = value.split(".");
  const hint =
    OBJECT_NAME.test(service) && OBJECT_NAME.test(namespace)
      ? `write service: ${service} and namespace: ${namespace}`
      : "at most 63 lower-case letters, digits and dashes; begins and ends with a letter or digit";
  return { message: "{value} is not a name in Kubernetes", hint };
}
