/** Where a cluster is and who asks: from the document, or from the pod around the gateway. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { accessCluster, type ClusterSpec, type ClusterSurroundings } from "../../../../src/discovery/kubernetes/cluster-access.js";
import { temporaryDirectory } from "../../config/fixtures.js";

const NO_TLS = { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true };
const IN_CLUSTER: ClusterSpec = { servers: null, namespace: "", token: "", tokenFile: "" };
const OUTSIDE: ClusterSpec = { ...IN_CLUSTER, servers: { urls: ["https://10.0.0.1:6443"], tls: NO_TLS } };
const CA = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const ENV = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

function pod(
  context: TestContext,
  files: Readonly<Record<string, string>> = { token: "a-pods-token\n", "ca.crt": CA, namespace: "edge" },
): ClusterSurroundings {
  return { env: ENV, serviceAccountDirectory: temporaryDirectory(context, files) };
}

describe("access to a cluster", () => {
  it("from a pod in it is what its service account says, as it is now", async (context) => {
    const surroundings = pod(context);
    assert.deepEqual(await accessCluster(IN_CLUSTER, surroundings), {
      urls: ["https://10.96.0.1:443"],
      tls: { ...NO_TLS, caPem: CA },
      namespace: "edge",
      headers: { authorization: "Bearer a-pods-token" },
    });
    writeFileSync(join(surroundings.serviceAccountDirectory, "token"), "the-next-token");
    writeFileSync(join(surroundings.serviceAccountDirectory, "ca.crt"), `${CA}${CA}`);
    const { headers, tls } = await accessCluster(IN_CLUSTER, surroundings);
    assert.deepEqual([headers, tls.caPem], [{ authorization: "Bearer the-next-token" }, `${CA}${CA}`]);
  });

  it("in a cluster of IPv6 has brackets", async (context) => {
    const { urls } = await accessCluster(IN_CLUSTER, {
      ...pod(context),
      env: { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" },
    });
    assert.deepEqual(urls, ["https://[fd00::1]:6443"]);
  });

  it("from elsewhere is what is written, and a pod's token is not shown to it", async (context) => {
    const surroundings = pod(context);
    assert.deepEqual((await accessCluster(OUTSIDE, surroundings)).headers, {});
    const { headers } = await accessCluster({ ...OUTSIDE, token: "written" }, surroundings);
    assert.deepEqual(headers, { authorization: "Bearer written" });
    const tokenFile = join(temporaryDirectory(context, { t: " in-a-file \n" }), "t");
    assert.deepEqual((await accessCluster({ ...OUTSIDE, tokenFile }, surroundings)).headers, { authorization: "Bearer in-a-file" });
    assert.deepEqual((await accessCluster({ ...IN_CLUSTER, tokenFile }, surroundings)).headers, { authorization: "Bearer in-a-file" });
  });

  it("is to the namespace that is written, else the pod's, else default", async (context) => {
    const namespaceOf = async (spec: ClusterSpec, surroundings: ClusterSurroundings) => (await accessCluster(spec, surroundings)).namespace;
    assert.equal(await namespaceOf({ ...OUTSIDE, namespace: "shop" }, pod(context)), "shop");
    assert.equal(await namespaceOf(OUTSIDE, pod(context)), "edge");
    assert.equal(await namespaceOf(OUTSIDE, pod(context, {})), "default");
    await assert.rejects(namespaceOf(OUTSIDE, pod(context, { namespace: "../x" })), /namespace holds no name of a namespace$/);
  });

  it("that is not there is told without what files hold", async (context) => {
    const refused = async (surroundings: ClusterSurroundings, expected: RegExp, spec = IN_CLUSTER) =>
      assert.rejects(
        accessCluster(spec, surroundings),
        (error: Error) => expected.test(error.message) && !error.message.includes("s3cr3t"),
      );
    await refused(
      { ...pod(context), env: {} },
      /^the gateway does not run in a Kubernetes cluster \(no KUBERNETES_SERVICE_HOST\): write urls$/,
    );
    await refused({ ...pod(context), env: { ...ENV, KUBERNETES_SERVICE_PORT: "s3cr3t x" } }, /make no URL$/);
    await refused(pod(context, { "ca.crt": CA }), /token cannot be read: no such file$/);
    await refused(pod(context, { token: "x" }), /ca\.crt cannot be read: no such file$/);
    await refused(pod(context, { token: "x", "ca.crt": "s3cr3t" }), /ca\.crt holds no certificate$/);
    for (const token of ["", "\n", "s3cr3t\r\nx: y", "s3cr3t é", `s3cr3t${"x".repeat(9_000)}`]) {
      await refused(pod(context, { "ca.crt": CA, token }), /token holds no token$/);
    }
    await refused(pod(context, { "ca.crt": CA, token: "x".repeat(2_000_000) }), /token cannot be read: it is larger than 1024 KiB$/);
    await refused(pod(context), /^\/dev\/zero cannot be read: it is not a regular file$/, { ...OUTSIDE, tokenFile: "/dev/zero" });
  });
});
