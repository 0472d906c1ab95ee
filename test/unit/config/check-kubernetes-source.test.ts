/** Kubernetes in the document: what is refused, what is warned of, what the source is told, and what is never shown. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diffDocuments, parseConfig, redactDocument } from "../../../src/config/index.js";
import { type EndpointSourceSpec, placeOfSource } from "../../../src/engine/model/endpoint-source.js";
import { accept, MINIMAL, refuse } from "./fixtures.js";

const SECRET = "s3cr3t-value-0123456789-abcdefghijkl";
const OTHER_SECRET = "0ther-s3cr3t-value-0123456789-abcdef";
const URLS = 'urls: ["https://10.0.0.1:6443/"]';

function document(kubernetes: string): string {
  return `${MINIMAL}
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { kubernetes: { ${kubernetes} } } }]
`;
}

function sourceOf(kubernetes: string, fileName = "/etc/windrose/a.yaml"): EndpointSourceSpec {
  return accept(document(kubernetes), { fileName }).snapshot.services[0]?.endpoints as EndpointSourceSpec;
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "a name with its namespace",
    "service: orders.shop.svc",
    /service "orders\.shop\.svc" is not a name in Kubernetes \(write service: orders and namespace: shop\)/,
  ],
  ["a name that cannot be", "service: Orders", /service "Orders" is not a name in Kubernetes \(at most 63 lower-case letters/],
  ["a namespace that leads elsewhere", "namespace: ../x", /namespace "\.\.\/x" is not a name in Kubernetes/],
  ["a long name", `service: ${"a".repeat(64)}`, /is not a name in Kubernetes/],
  ["port 0", "port: 0", /kubernetes\.port/],
  ["a port that is no name", 'port: "a b"', /kubernetes\.port/],
  ["no server", "urls: []", /urls must not be empty/],
  ["a server twice", 'urls: ["https://a", "https://a"]', /urls\[1\] "https.*" is written twice/],
  ["TLS without servers", "tls: { serverName: a }", /kubernetes\.tls has no effect without urls \(in its own cluster/],
  ["TLS without https", 'urls: ["http://127.0.0.1:8001"], tls: { serverName: a }', /tls has no effect with http:\/\/ URLs/],
  ["roots that are not there", `${URLS}, tls: { ca: nowhere.pem }`, /tls\.ca cannot read "nowhere\.pem"/],
  ["two tokens", `token: ${SECRET}, tokenFile: t`, /tokenFile has no effect beside token \(write one of the two\)/],
  ["a token with a line break", `token: "${SECRET}\\nx"`, /kubernetes\.token must be printable ASCII/],
  ["a token that is none", `token: "${SECRET.repeat(300)}"`, /kubernetes\.token is longer than 8,192 characters/],
  ["an empty file name", 'tokenFile: ""', /tokenFile must not be empty/],
  ["an unknown setting", "kubeconfig: a", /kubernetes\.kubeconfig is not a known key/],
];

describe("sources in Kubernetes", () => {
  for (const [what, kubernetes, expected] of REFUSED) {
    it(`refuse ${what}, with its place and without secrets`, () => {
      const problems = refuse(document(kubernetes));
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        problems.join("\n"),
      );
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.equal(problems.join("").includes(SECRET), false);
    });
  }

  it("need nothing in their own cluster", () => {
    assert.deepEqual(sourceOf(""), {
      ...{ type: "kubernetes", service: "orders", namespace: "", port: "", servers: null, token: "", tokenFile: "", minimumEndpoints: 1 },
    });
    assert.equal(placeOfSource(sourceOf("")), "kubernetes orders");
  });

  it("say what is asked where", () => {
    const source = sourceOf(`service: web, namespace: shop, port: 8080, ${URLS}, tokenFile: run/token, minimumEndpoints: 0`);
    assert.deepEqual(source, {
      type: "kubernetes",
      service: "web",
      namespace: "shop",
      port: 8080,
      servers: { urls: ["https://10.0.0.1:6443"], tls: { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true } },
      token: "",
      tokenFile: "/etc/windrose/run/token",
      minimumEndpoints: 0,
    });
    assert.equal(placeOfSource(source), "kubernetes https://10.0.0.1:6443 shop/web:8080");
  });

  it("take tokens as long as those of service accounts", () => {
    const source = sourceOf(`token: ${"x".repeat(1_500)}`);
    assert.equal(source.type === "kubernetes" && source.token.length, 1_500);
  });

  it("have the same version wherever the document lies", () => {
    const versionAt = (fileName: string, tokenFile: string): string =>
      accept(document(`tokenFile: ${tokenFile}`), { fileName }).snapshot.version;
    assert.equal(versionAt("/one/a.yaml", "t"), versionAt("/two/a.yaml", "t"));
    assert.notEqual(versionAt("/one/a.yaml", "t"), versionAt("/one/a.yaml", "u"));
  });

  it("are warned of tokens that others can read", () => {
    const warnings = (kubernetes: string): string[] => accept(document(kubernetes)).warnings;
    assert.match(warnings(`urls: ["http://10.0.0.1:8001"], token: ${SECRET}`).join(), /kubernetes\.token warning: is sent without TLS/);
    assert.match(warnings('urls: ["http://10.0.0.1:8001"], tokenFile: t').join(), /kubernetes\.tokenFile warning: is sent without TLS/);
    assert.match(warnings(`${URLS}, tls: { insecureSkipVerify: true }`).join(), /certificates are not verified/);
    assert.deepEqual(warnings('urls: ["http://127.0.0.1:8001"]'), []);
  });

  it("never show a token, and tell that it has changed", () => {
    const load = (token: string) => {
      const result = parseConfig(document(`token: ${token}`), "t.yaml", { env: {} });
      assert.ok(result.ok);
      return result.document;
    };
    const redacted = JSON.stringify(redactDocument(load(SECRET)));
    assert.equal(redacted.includes(SECRET), false);
    assert.match(redacted, /"token":"\[redacted\]"/);
    const changes = diffDocuments(load(SECRET), load(OTHER_SECRET));
    assert.deepEqual(
      changes.map(({ kind, name, change }) => [kind, name, change]),
      [["services", "orders", "changed"]],
    );
    assert.match(JSON.stringify(changes), /endpoints\.kubernetes\.token/);
    assert.equal(JSON.stringify(changes).includes(SECRET) || JSON.stringify(changes).includes(OTHER_SECRET), false);
  });
});
