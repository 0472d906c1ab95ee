/**
 * Where a cluster is, and how the gateway shows who it is. Token and roots of a pod are files that change while it runs: they are read
 * for each request.
 */
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { KubernetesSourceSpec, ServerTlsSpec } from "../../engine/model/endpoint-source.js";
import { readTextFile } from "../read-text-file.js";

export interface ClusterSurroundings {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Holds token, ca.crt and namespace of the pod. */
  readonly serviceAccountDirectory: string;
}

/** What is read of a specification; sources for which it is the same share what they ask. */
export type ClusterSpec = Pick<KubernetesSourceSpec, "servers" | "namespace" | "token" | "tokenFile">;

export interface ClusterAccess {
  /** Never empty, without slashes at their ends. */
  readonly urls: readonly string[];
  readonly tls: ServerTlsSpec;
  readonly namespace: string;
  /** Secret. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Rejects with a message fit for logs. */
export async function accessCluster(spec: ClusterSpec, surroundings: ClusterSurroundings): Promise<ClusterAccess> {
  const { servers } = spec;
  const urls = servers === null ? [ownServer(surroundings)] : servers.urls;
  const namespace = spec.namespace === "" ? await readNamespace(surroundings) : spec.namespace;
  const token = await readToken(spec, surroundings);
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  return { urls, tls: servers === null ? await ownTls(surroundings) : servers.tls, namespace, headers };
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TOKEN_LENGTH = 8_192;

function ownServer({ env }: ClusterSurroundings): string {
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (host === "") throw new Error("the gateway does not run in a Kubernetes cluster (no KUBERNETES_SERVICE_HOST): write urls");
  const url = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(url)) throw new Error("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make no URL");
  return url;
}

async function ownTls({ serviceAccountDirectory }: ClusterSurroundings): Promise<ServerTlsSpec> {
  const caPem = await readTextFile(join(serviceAccountDirectory, "ca.crt"), MAX_FILE_BYTES);
  if (!caPem.includes("-----BEGIN CERTIFICATE-----")) throw new Error(`${join(serviceAccountDirectory, "ca.crt")} holds no certificate`);
  return { caPem, certPem: "", keyPem: "", serverName: "", isVerified: true };
}

async function readToken({ token, tokenFile, servers }: ClusterSpec, { serviceAccountDirectory }: ClusterSurroundings): Promise<string> {
  if (token !== "") return token;
  // A pod's token is for its own cluster, and not for others.
  const path = tokenFile === "" && servers === null ? join(serviceAccountDirectory, "token") : tokenFile;
  if (path === "") return "";
  const read = (await readTextFile(path, MAX_FILE_BYTES)).trim();
  if (!/^[\x21-\x7e]+$/.test(read) || read.length > MAX_TOKEN_LENGTH) throw new Error(`${path} holds no token`);
  return read;
}

const DEFAULT_NAMESPACE = "default";
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

async function readNamespace({ serviceAccountDirectory }: ClusterSurroundings): Promise<string> {
  const path = join(serviceAccountDirectory, "namespace");
  const namespace = await readTextFile(path, MAX_FILE_BYTES).then(
    (text) => text.trim(),
    // Outside of a cluster there is none.
    () => DEFAULT_NAMESPACE,
  );
  if (!NAMESPACE.test(namespace)) throw new Error(`${path} holds no name of a namespace`);
  return namespace;
}
