/** etcd and ZooKeeper in the document: what is refused, what is warned of, what the source is told, and what is never shown. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { diffDocuments, loadConfig, parseConfig, redactDocument } from "../../../src/config/index.js";
import { type EndpointSourceSpec, placeOfSource } from "../../../src/engine/model/endpoint-source.js";
import { accept, MINIMAL, refuse, temporaryDirectory } from "./fixtures.js";

const SECRET = "s3cr3t-value-of-orders";
const OTHER_SECRET = "0ther-s3cr3t-value";

function document(endpoints: string, more = ""): string {
  return `${MINIMAL}
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders${more}, endpoints: { ${endpoints} } }]
`;
}

const etcd = (more = ""): string => document(`etcd: { urls: ["http://127.0.0.1:2379/"], prefix: /orders/${more} }`);
const zookeeper = (more = ""): string => document(`zookeeper: { servers: ["ZK-1:2181"], path: /orders${more} }`);
const atPath = (path: string): string => document(`zookeeper: { servers: ["zk:2181"], path: ${JSON.stringify(path)} }`);

function sourceOf(text: string): EndpointSourceSpec {
  return accept(text).snapshot.services[0]?.endpoints as EndpointSourceSpec;
}

const REFUSED: readonly (readonly [what: string, text: string, problem: RegExp])[] = [
  ["etcd without servers", document("etcd: { prefix: /a/ }"), /endpoints\.etcd\.urls is missing/],
  ["etcd without a prefix", document('etcd: { urls: ["http://a"] }'), /endpoints\.etcd\.prefix is missing/],
  ["an empty prefix", document('etcd: { urls: ["http://a"], prefix: "" }'), /etcd\.prefix must not be empty/],
  ["a server twice", document('etcd: { urls: ["http://a", "http://a"], prefix: /a/ }'), /urls\[1\] "http.*" is written twice/],
  ["a user without a password", etcd(", username: a"), /etcd has a username without a password/],
  ["a password without a user", etcd(`, password: ${SECRET}`), /etcd has a password without a username/],
  ["a password with a line break", etcd(`, username: a, password: "${SECRET}\\nx"`), /etcd\.password must not hold line breaks/],
  ["a password file that is not there", etcd(", username: a, password: { file: nowhere }"), /password\.file cannot read "nowhere"/],
  ["TLS without https", etcd(", tls: { serverName: a }"), /etcd\.tls has no effect with http:\/\/ URLs/],
  ["ZooKeeper without servers", document("zookeeper: { path: /a }"), /endpoints\.zookeeper\.servers is missing/],
  ["no servers at all", document("zookeeper: { servers: [], path: /a }"), /zookeeper\.servers must not be empty/],
  ["a server without a port", document("zookeeper: { servers: [zk], path: /a }"), /servers\[0\] "zk" is not an endpoint address/],
  ["a server twice", document('zookeeper: { servers: ["zk:1", "zk:1"], path: /a }'), /servers\[1\] "zk:1" is written twice/],
  ["a user of ZooKeeper without a password", zookeeper(", username: a"), /zookeeper has a username without a password/],
  ["a colon in a user's name", zookeeper(`, username: "a:b", password: ${SECRET}`), /username must not hold a colon/],
  ["a short session", zookeeper(", sessionTimeout: 999ms"), /sessionTimeout must be from 1s to 10m/],
  ["a long session", zookeeper(", sessionTimeout: 11m"), /sessionTimeout must be from 1s to 10m/],
  ...["", "a", "/", "/a/", "//a", "/a//b", "/a/./b", "/a/..", "/a\u0000b", "/a\ud800"].map(
    (path) => [`the path ${JSON.stringify(path)}`, atPath(path), /zookeeper\.path (".*"|it) is not a path of ZooKeeper/] as const,
  ),
];

describe("sources in etcd and ZooKeeper", () => {
  for (const [what, text, expected] of REFUSED) {
    it(`refuse ${what}, with its place and without secrets`, () => {
      const problems = refuse(text);
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        problems.join("\n"),
      );
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.ok(!problems.join().includes(SECRET));
    });
  }

  it("are told what is written, and otherwise what is usual", () => {
    const tls = { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true };
    assert.deepEqual(sourceOf(etcd()), {
      ...{ type: "etcd", urls: ["http://127.0.0.1:2379"], tls, prefix: "/orders/", username: "", password: "" },
      ...{ timeoutMs: 5_000, minimumEndpoints: 1 },
    });
    assert.deepEqual(sourceOf(zookeeper(`, username: u, password: ${SECRET}, sessionTimeout: 1s, minimumEndpoints: 0`)), {
      ...{ type: "zookeeper", servers: ["zk-1:2181"], path: "/orders", username: "u", password: SECRET },
      ...{ sessionTimeoutMs: 1_000, isTls: false, minimumEndpoints: 0 },
    });
    const overTls = sourceOf(document('zookeeper: { servers: ["zk:2181"], path: /orders }', ", protocol: h2"));
    assert.ok(overTls.type === "zookeeper" && overTls.isTls);
  });

  it("are the same place whatever servers and users there are", () => {
    assert.equal(placeOfSource(sourceOf(etcd(`, username: a, password: ${SECRET}`))), "etcd /orders/");
    assert.equal(placeOfSource(sourceOf(zookeeper())), "zookeeper /orders");
    assert.equal(placeOfSource(sourceOf(atPath("/chroot/services/örders"))), "zookeeper /chroot/services/örders");
  });

  it("warn of prefixes that other services share, and of passwords that go over a network without TLS", () => {
    const warnings = (text: string): string => accept(text).warnings.join("\n");
    assert.equal(warnings(etcd(`, username: a, password: ${SECRET}`)), "");
    assert.match(
      warnings(document('etcd: { urls: ["http://127.0.0.1:1"], prefix: /orders }')),
      /etcd\.prefix warning: "\/orders" is also how keys/,
    );
    assert.match(
      warnings(document('etcd: { urls: ["http://etcd.test"], prefix: /a/, username: a, password: b }')),
      /etcd\.password warning: is sent without TLS/,
    );
  });

  it("never show their secrets, wherever they come from", (context) => {
    const texts = [etcd, zookeeper].flatMap((source) => [
      source(`, username: a, password: ${SECRET}`),
      source(', username: a, password: "${P}"'),
    ]);
    for (const text of texts) {
      const result = parseConfig(text, "t.yaml", { env: { P: SECRET } });
      assert.ok(result.ok);
      const shown = JSON.stringify(redactDocument(result.document));
      assert.ok(!shown.includes(SECRET) && shown.includes("[redacted]"), shown);
    }
    for (const source of [etcd, zookeeper]) {
      const files = { "w.yaml": source(", username: a, password: { file: password }"), password: `${SECRET}\n` };
      const result = loadConfig(join(temporaryDirectory(context, files), "w.yaml"), { env: {} });
      assert.ok(result.ok);
      const { endpoints } = result.snapshot.services[0] as { endpoints: EndpointSourceSpec };
      assert.ok((endpoints.type === "etcd" || endpoints.type === "zookeeper") && endpoints.password === SECRET);
      assert.ok(!JSON.stringify(redactDocument(result.document)).includes(SECRET));
    }
  });

  it("tell that a secret has changed, and not what it was", () => {
    const load = (text: string) => {
      const result = parseConfig(text, "t.yaml", { env: {} });
      assert.ok(result.ok);
      return result.document;
    };
    for (const source of [etcd, zookeeper]) {
      const [before, after] = [SECRET, OTHER_SECRET].map((secret) => load(source(`, username: a, password: ${secret}`)));
      const [change] = diffDocuments(before as never, after as never);
      assert.equal(change?.fields.length, 1);
      assert.match(change?.fields[0]?.path ?? "", /^endpoints\.(etcd|zookeeper)\.password$/);
      assert.ok(!JSON.stringify(change).includes("s3cr3t"));
    }
  });
});
