/** Consul and Nacos in the document: what is refused, what is warned of, what the source is told, and what is never shown. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { diffDocuments, loadConfig, parseConfig, redactDocument } from "../../../src/config/index.js";
import { type EndpointSourceSpec, placeOfSource } from "../../../src/engine/model/endpoint-source.js";
import type { ServiceSpec } from "../../../src/engine/model/snapshot.js";
import { accept, MINIMAL, refuse, temporaryDirectory } from "./fixtures.js";

const SECRET = "s3cr3t-value-0123456789-abcdefghijkl";
const OTHER_SECRET = "0ther-s3cr3t-value-0123456789-abcdef";
const CONSUL = 'urls: ["http://127.0.0.1:8500"]';
const NACOS = 'urls: ["http://127.0.0.1:8848/"]';

function document(endpoints: string): string {
  return `${MINIMAL}
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { ${endpoints} } }]
`;
}

const consul = (more = ""): string => document(`consul: { ${CONSUL}${more} }`);
const nacos = (more = ""): string => document(`nacos: { ${NACOS}${more} }`);

function sourceOf(text: string): EndpointSourceSpec {
  return accept(text).snapshot.services[0]?.endpoints as EndpointSourceSpec;
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["Consul without servers", document("consul: {}"), /endpoints\.consul\.urls is missing/],
  ["a server that is no URL", document("consul: { urls: [localhost:8500] }"), /urls\[0\] must be an https:\/\/ \(or http:\/\/\) URL/],
  ["a server with a query", document('consul: { urls: ["http://a/?x=1"] }'), /urls\[0\] must not hold a query/],
  ["a server twice", document('consul: { urls: ["http://a", "http://a"] }'), /urls\[1\] "http.*" is written twice/],
  ["a datacentre twice", consul(", datacenters: [a, a]"), /datacenters\[1\] "a.*" is written twice/],
  ["a tag twice", consul(", tags: [a, a]"), /tags\[1\] "a.*" is written twice/],
  ["an empty service", consul(', service: ""'), /consul\.service must not be empty/],
  ["a line break", consul(', filter: "a\\nb"'), /consul\.filter must not hold control characters/],
  ["half a character", consul(', tags: ["a\\ud800"]'), /tags\[0\] must be valid Unicode/],
  ["a wait that Consul shortens", consul(", wait: 11m"), /consul\.wait must be from 1s to 10m/],
  ["hardly a wait", consul(", wait: 10ms"), /consul\.wait must be from 1s to 10m/],
  ["another consistency", consul(", consistency: best"), /consistency "best" is not one of default, consistent, stale/],
  ["TLS without https", consul(", tls: { serverName: a }"), /consul\.tls has no effect with http:\/\/ URLs/],
  ["a token with a line break", consul(`, token: "${SECRET}\\nx"`), /consul\.token must be printable ASCII/],
  ["a token file that is not there", consul(", token: { file: nowhere }"), /token\.file cannot read "nowhere"/],
  ["a comma in a cluster", nacos(', clusters: ["a,b"]'), /clusters\[0\] must not hold a comma/],
  ["a user without a password", nacos(", username: a"), /nacos has a username without a password/],
  ["a password without a user", nacos(`, password: ${SECRET}`), /nacos has a password without a username/],
  ["two ways in", nacos(`, username: a, password: b, accessToken: ${SECRET}`), /accessToken has no effect beside a username/],
  ["bounds that cross", nacos(", minRefresh: 9s"), /minRefresh must not be longer than maxRefresh/],
  ["an unknown API", nacos(", api: v4"), /api "v4" is not one of v1, v2, v3/],
];

describe("sources in Consul and Nacos", () => {
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
    assert.deepEqual(sourceOf(consul()), {
      ...{ type: "consul", urls: ["http://127.0.0.1:8500"], tls, service: "orders", datacenters: [], tags: [], filter: "" },
      ...{ namespace: "", partition: "", zoneKey: "zone", consistency: "default", isPassingOnly: true, token: "" },
      ...{ waitMs: 30_000, timeoutMs: 5_000, minimumEndpoints: 1 },
    });
    assert.deepEqual(sourceOf(nacos(`, api: v3, username: u, password: ${SECRET}`)), {
      ...{ type: "nacos", urls: ["http://127.0.0.1:8848"], tls, api: "v3", service: "orders", group: "DEFAULT_GROUP", namespace: "" },
      ...{ clusters: [], zoneKey: "", username: "u", password: SECRET, accessToken: "" },
      ...{ minRefreshMs: 1_000, maxRefreshMs: 5_000, timeoutMs: 5_000, minimumEndpoints: 1 },
    });
  });

  it("are the same place whatever servers, tokens and waits there are, and another one for other instances", () => {
    const place = (more: string): string => placeOfSource(sourceOf(consul(more)));
    assert.equal(place(`, token: ${SECRET}, wait: 1m`), "consul orders");
    assert.equal(placeOfSource(sourceOf(document(`consul: { urls: ["http://[::1]:1"] }`))), "consul orders");
    const others = ["", ", service: a", ", datacenters: [a, b]", ', datacenters: ["a,b"]', ", tags: [a]", ", filter: a", ", namespace: a"];
    assert.equal(new Set([...others, ", partition: a"].map(place)).size, others.length + 1);
    assert.equal(placeOfSource(sourceOf(nacos(", namespace: n, clusters: [a, b]"))), "nacos n DEFAULT_GROUP orders clusters=a,b");
  });

  it("warn of secrets that go over a network without TLS, and not of those that stay on this machine", () => {
    const warnings = (text: string): string => accept(text).warnings.join("\n");
    assert.equal(warnings(consul(`, token: ${SECRET}`)), "");
    assert.equal(warnings(document(`consul: { urls: ["http://[::1]:8500"], token: ${SECRET} }`)), "");
    assert.equal(warnings(document(`consul: { urls: ["https://consul.test"], token: ${SECRET} }`)), "");
    assert.match(
      warnings(document(`consul: { urls: ["http://consul.test"], token: ${SECRET} }`)),
      /consul\.token warning: is sent without TLS/,
    );
    assert.match(
      warnings(document('nacos: { urls: ["http://nacos.test"], username: a, password: b }')),
      /nacos\.password warning: is sent without TLS/,
    );
  });

  it("never show their secrets, wherever they come from", (context) => {
    const texts = [
      consul(`, token: ${SECRET}`),
      consul(', token: "${T}"'),
      nacos(`, username: a, password: ${SECRET}`),
      nacos(`, accessToken: ${SECRET}`),
    ];
    for (const text of texts) {
      const result = parseConfig(text, "t.yaml", { env: { T: SECRET } });
      assert.ok(result.ok);
      const shown = JSON.stringify(redactDocument(result.document));
      assert.ok(!shown.includes(SECRET) && shown.includes("[redacted]"), shown);
    }
    const directory = temporaryDirectory(context, { "w.yaml": consul(", token: { file: token }"), token: `${SECRET}\n` });
    const result = loadConfig(join(directory, "w.yaml"), { env: {} });
    assert.ok(result.ok);
    const { endpoints } = result.snapshot.services[0] as ServiceSpec;
    assert.equal(endpoints.type === "consul" && endpoints.token, SECRET);
    assert.ok(!JSON.stringify(redactDocument(result.document)).includes(SECRET));
  });

  it("tell that the file of a secret holds another one, without a digest that would let it be guessed", (context) => {
    const directory = temporaryDirectory(context, { "w.yaml": consul(", token: { file: token }"), token: SECRET });
    const load = () => {
      const result = loadConfig(join(directory, "w.yaml"), { env: {} });
      assert.ok(result.ok);
      return result.document;
    };
    const before = load();
    writeFileSync(join(directory, "token"), OTHER_SECRET);
    const [change] = diffDocuments(before, load());
    assert.deepEqual(change?.fields, [{ path: "endpoints.consul.token", before: "[redacted]", after: "[redacted]" }]);
  });

  it("tell that a secret has changed, and not what it was", () => {
    const load = (text: string) => {
      const result = parseConfig(text, "t.yaml", { env: {} });
      assert.ok(result.ok);
      return result.document;
    };
    const [change] = diffDocuments(load(consul(`, token: ${SECRET}`)), load(consul(`, token: ${OTHER_SECRET}`)));
    assert.deepEqual(change?.fields, [{ path: "endpoints.consul.token", before: "[redacted]", after: "[redacted]" }]);
  });
});
