/** `endpoints.kubernetes` → what the source is told. What the cluster around the gateway says is read when it runs. */
import { resolve } from "node:path";
import type { KubernetesSourceSpec } from "../engine/model/endpoint-source.js";
import type { CompileSourcesInput } from "./compile-endpoints.js";
import { compileSourceServers } from "./compile-source-server.js";
import type { DocumentPath } from "./problems.js";
import type { KubernetesSource } from "./schema/kubernetes-source.js";
import { placeOf } from "./tree.js";

/** @param written and the name of the service */
export function compileKubernetesSource(
  written: KubernetesSource & { readonly name: string },
  at: DocumentPath,
  { materials, tree }: CompileSourcesInput,
): KubernetesSourceSpec {
  const { name, service = name, namespace = "", port = "", urls, tls, tokenFile, minimumEndpoints } = written;
  return {
    type: "kubernetes",
    ...{ service, namespace, port, minimumEndpoints },
    servers: urls === undefined ? null : compileSourceServers({ urls, tls }, at, materials),
    token: materials.text([...at, "token"]),
    tokenFile: tokenFile === undefined ? "" : resolve(placeOf(tree, [...at, "tokenFile"]).file.directory, tokenFile),
  };
}
