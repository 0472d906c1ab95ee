/** `endpoints` of a service: exactly one source, endpoints that are different ones, settings that have an effect. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import { SOURCE_KINDS } from "../schema/endpoints.js";
import { checkConsulSource } from "./check-consul-source.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { checkEtcdSource } from "./check-etcd-source.js";
import { checkKubernetesSource } from "./check-kubernetes-source.js";
import { checkRepeats } from "./check-listeners.js";
import { checkNacosSource } from "./check-nacos-source.js";
import { checkZooKeeperSource } from "./check-zookeeper-source.js";

type EndpointsDraft = NonNullable<NonNullable<NonNullable<DocumentDraft["services"]>[number]>["endpoints"]>;

export function checkEndpoints(endpoints: EndpointsDraft | undefined, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const written = SOURCE_KINDS.filter((kind) => checker.isWritten([...at, kind]));
  const isPlanned = checker.isWritten(at) && !checker.isEmptyMap(at) && written.length === 0;
  // An unknown word has been reported already.
  if (checker.isWritten(at) && written.length !== 1 && !isPlanned) {
    checker.error(
      at,
      written.length === 0 ? "names no source" : "names more than one source",
      `write exactly one of ${SOURCE_KINDS.join(", ")}`,
    );
  }
  checkStatic(endpoints?.static ?? [], [...at, "static"], context);
  if (endpoints?.dns !== undefined) checkDns(endpoints.dns, [...at, "dns"], context);
  if (endpoints?.consul !== undefined) checkConsulSource(endpoints.consul, [...at, "consul"], context);
  if (endpoints?.nacos !== undefined) checkNacosSource(endpoints.nacos, [...at, "nacos"], context);
  if (endpoints?.etcd !== undefined) checkEtcdSource(endpoints.etcd, [...at, "etcd"], context);
  if (endpoints?.zookeeper !== undefined) checkZooKeeperSource(endpoints.zookeeper, [...at, "zookeeper"], context);
  if (endpoints?.kubernetes !== undefined) checkKubernetesSource(endpoints.kubernetes, [...at, "kubernetes"], context);
}

function checkStatic(endpoints: NonNullable<EndpointsDraft["static"]>, at: DocumentPath, { checker }: CheckContext): void {
  checkRepeats(
    endpoints.map((endpoint) => endpoint?.address),
    at,
    {
      error: (repeat: DocumentPath, message: string, hint?: string) => checker.error([...repeat, "address"], message, hint),
      quote: (repeat: DocumentPath) => checker.quote([...repeat, "address"]),
      where: (repeat: DocumentPath) => checker.where(repeat),
    },
  );
  if (endpoints.length > 0 && endpoints.every((endpoint) => endpoint?.weight === 0)) {
    checker.warn(at, "every endpoint has weight 0: the service takes no traffic");
  }
}

function checkDns({ type, minRefresh, maxRefresh }: NonNullable<EndpointsDraft["dns"]>, at: DocumentPath, { checker }: CheckContext): void {
  const hasPort = checker.isWritten([...at, "port"]);
  if (type === "SRV" && hasPort) checker.error([...at, "port"], "has no effect with type SRV, whose records name ports");
  if (type !== undefined && type !== "SRV" && !hasPort) checker.error(at, "needs port", "only SRV records name ports");
  const [least, most] = [minRefresh, maxRefresh].map((text) => (text === undefined ? null : parseDuration(text)));
  if (least != null && most != null && least > most) checker.error([...at, "minRefresh"], "must not be longer than maxRefresh");
}
