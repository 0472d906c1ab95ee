/** What docs/kubernetes.md shows: configuration that compiles, and a Role that allows what the gateway does, and no more. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { parseConfig } from "../../src/config/index.js";
import { eventually, startGateway } from "../support/gateway.js";
import { type RbacRule, startKubernetesApi } from "../support/kubernetes-api.js";
import { podEndpoint, slice } from "../support/kubernetes-store.js";

const BLOCKS = [...readFileSync("docs/kubernetes.md", "utf8").matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
const CONFIGURATIONS = BLOCKS.filter((block) => block.startsWith("services:"));
const MANIFESTS = BLOCKS.filter((block) => block.includes("apiVersion:"));

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly rules?: readonly RbacRule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

describe("docs/kubernetes.md", () => {
  it("shows services that compile without a warning", () => {
    assert.equal(CONFIGURATIONS.length, 2);
    for (const block of CONFIGURATIONS) {
      // The certificate is not at hand.
      const text = `${block.replace(/^ *tls: .*\n/m, "")}
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: orders, backends: [{ service: orders }] }]
`;
      const result = parseConfig(text, "/etc/windrose/windrose.yaml", { env: {} });
      assert.ok(result.ok, JSON.stringify(result.ok ? [] : result.problems));
      assert.deepEqual(result.warnings, []);
    }
  });

  it("shows an account, and a Role that is bound to it", () => {
    const [account, role, binding] = manifests();
    assert.deepEqual([account?.kind, role?.kind, binding?.kind], ["ServiceAccount", "Role", "RoleBinding"]);
    assert.deepEqual(binding?.roleRef, { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role?.metadata.name });
    assert.equal(binding?.metadata.namespace, role?.metadata.namespace);
    assert.deepEqual(binding?.subjects, [{ kind: "ServiceAccount", name: account?.metadata.name, namespace: account?.metadata.namespace }]);
  });

  it("shows a Role that is enough, and nothing in it that is not used (a stand-in: Kubernetes itself cannot run here)", async () => {
    const rules = manifests()[1]?.rules ?? [];
    const api = await startKubernetesApi();
    api.rules = rules;
    api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint("127.0.0.1")] }));
    const started = startGateway(
      `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: orders, backends: [{ service: orders }] }]
services:
  - name: orders
    endpoints: { kubernetes: { namespace: shop, urls: ["${api.url}"], tls: { ca: ca.pem }, token: a-token-of-the-gateway } }
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`,
      { files: { "ca.pem": api.caPem } },
    );
    try {
      await started;
      await eventually(() => api.watches() === 1, "the watch");
      const used = new Set(api.requests.map(({ verb }) => verb));
      assert.deepEqual(rules, [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: [...used].sort() }]);
    } finally {
      await started.then((gateway) => gateway.stop()).finally(() => api.stop());
    }
  });
});

function manifests(): Manifest[] {
  assert.equal(MANIFESTS.length, 1);
  return parseAllDocuments(MANIFESTS[0] as string).map((parsed) => {
    assert.deepEqual(parsed.errors, []);
    return parsed.toJS() as Manifest;
  });
}
