/** Where endpoints come from: exactly one source, settings that have an effect, what the snapshot says of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig, redactDocument } from "../../../src/config/index.js";
import type { ServiceSpec } from "../../../src/engine/model/snapshot.js";
import { accept, MINIMAL, refuse } from "./fixtures.js";

function document(endpoints: string, rest = ""): string {
  return `${MINIMAL}
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { ${endpoints} }${rest} }]
`;
}

function service(endpoints: string, rest = "", fileName = "/etc/windrose/a.yaml"): ServiceSpec {
  return accept(document(endpoints, rest), { fileName }).snapshot.services[0] as ServiceSpec;
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "no source",
    "",
    /^test\.yaml:6:\d+ services\[0\]\.endpoints names no source \(write exactly one of static, file, dns, registry, [a-z, ]+\)$/,
  ],
  ["two sources", 'static: [{ address: "a:1" }], file: { path: b }', /endpoints names more than one source \(write exactly one of/],
  ["an unknown source", "eureka: {}", /^test\.yaml:6:\d+ services\[0\]\.endpoints\.eureka is not a known key/],
  ["an empty static list", "static: []", /endpoints\.static must not be empty/],
  ["a file without a path", "file: {}", /endpoints\.file\.path is missing/],
  ["a name without a port", "dns: { name: a.test }", /endpoints\.dns needs port \(only SRV records name ports\)/],
  ["a port beside SRV", "dns: { name: a.test, type: SRV, port: 1 }", /endpoints\.dns\.port has no effect with type SRV/],
  [
    "a name with its port",
    'dns: { name: "a.test:80", port: 80 }',
    /endpoints\.dns\.name "a\.test:80" is not a DNS name \(write the port beside it/,
  ],
  ["an address for a name", "dns: { name: 10.0.0.1, port: 80 }", /"10\.0\.0\.1" is not a DNS name/],
  ["an unknown type", "dns: { name: a.test, port: 80, type: MX }", /type "MX" is not one of A, AAAA, addresses, SRV/],
  [
    "a server by name",
    "dns: { name: a.test, port: 80, servers: [dns.test] }",
    /servers\[0\] "dns\.test" is not the address of a DNS server/,
  ],
  ["a server's port 0", 'dns: { name: a.test, port: 80, servers: ["10.0.0.1:0"] }', /servers\[0\] "10\.0\.0\.1:0" is not/],
  ["bounds that cross", "dns: { name: a.test, port: 80, minRefresh: 1m, maxRefresh: 5s }", /minRefresh must not be longer than maxRefresh/],
  ["refreshing at once", "dns: { name: a.test, port: 80, minRefresh: 0s }", /minRefresh must be longer than 0s/],
  ["a negative minimum", "file: { path: a, minimumEndpoints: -1 }", /minimumEndpoints must be at least 0/],
];

for (const [what, endpoints, expected] of REFUSED) {
  test(`${what} is refused with its place`, () => {
    const problems = refuse(document(endpoints));
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      problems.join("\n"),
    );
    assert.equal(problems.length, 1, problems.join("\n"));
  });
}

test("a file is found from the folder of the document, and is part of its version as written", () => {
  assert.deepEqual(service("file: { path: a/b.yaml }").endpoints, { type: "file", path: "/etc/windrose/a/b.yaml", minimumEndpoints: 1 });
  const versionIn = (fileName: string, path: string): string => accept(document(`file: { path: ${path} }`), { fileName }).snapshot.version;
  assert.equal(versionIn("/one/a.yaml", "b.yaml"), versionIn("/two/a.yaml", "b.yaml"));
  assert.notEqual(versionIn("/one/a.yaml", "b.yaml"), versionIn("/one/a.yaml", "c.yaml"));
});

test("names from DNS are asked for type A at the system's servers, for as long as the TTL says, within 1 s and 5 min", () => {
  assert.deepEqual(service("dns: { name: Orders.Test., port: 8080 }").endpoints, {
    type: "dns",
    name: "orders.test",
    record: "A",
    port: 8080,
    servers: [],
    minRefreshMs: 1_000,
    maxRefreshMs: 300_000,
    timeoutMs: 2_000,
    minimumEndpoints: 1,
  });
});

test("DNS servers have port 53 unless another is written", () => {
  const { endpoints } = service('dns: { name: a.test, port: 1, servers: [10.0.0.1, "10.0.0.2:5353", "fd00::1", "[fd00::2]:5353"] }');
  assert.ok(endpoints.type === "dns");
  assert.deepEqual(endpoints.servers, ["10.0.0.1:53", "10.0.0.2:5353", "[fd00::1]:53", "[fd00::2]:5353"]);
});

test("certificates of endpoints from DNS are for the name that was asked, not for the addresses found", () => {
  const tls = ", protocol: https";
  assert.equal(service("dns: { name: orders.test, port: 443 }", tls).tls?.serverName, "orders.test");
  assert.equal(service("dns: { name: _https._tcp.orders.test, type: SRV }", tls).tls?.serverName, "orders.test");
  assert.equal(service("dns: { name: orders.test, port: 443 }", `${tls}, tls: { serverName: other.test }`).tls?.serverName, "other.test");
  assert.equal(service('static: [{ address: "a.test:443" }]', tls).tls?.serverName, "");
});

const REGISTRY: readonly (readonly [string, string, RegExp])[] = [
  ["a registry that is not served", "registry: { store: memory }", /registry\.serve is missing/],
  [
    "a registry for everybody",
    'registry: { serve: true, bind: "0.0.0.0:9902" }',
    /registry\.bind "0\.0\.0\.0:9902" can be reached from outside, so tokens are required/,
  ],
  ["a store without a place", "registry: { serve: true, store: redis }", /registry\.store needs the block redis/],
  [
    "a place without its store",
    "registry: { serve: true, redis: { url: 'redis://a.test' } }",
    /registry\.redis has no effect with store: memory/,
  ],
  [
    "another kind of store",
    "registry: { serve: true, store: redis, redis: { url: 'http://a.test' } }",
    /registry\.redis\.url must begin with redis:\/\//,
  ],
  [
    "no URL of a store",
    "registry: { serve: true, store: redis, redis: { url: '//hunter2' } }",
    /registry\.redis\.url is not a URL such as redis:/,
  ],
  [
    "a database that is a word",
    "registry: { serve: true, store: redis, redis: { url: 'redis://:hunter2@a.test/x' } }",
    /must end with the host/,
  ],
  [
    "a broken escape",
    "registry: { serve: true, store: redis, redis: { url: 'redis://:hunter2%@a.test' } }",
    /holds a % that begins no escape/,
  ],
  [
    "TLS without effect",
    "registry: { serve: true, store: redis, redis: { url: 'redis://a.test', tls: { serverName: b.test } } }",
    /redis\.tls has no effect/,
  ],
  [
    "a prefix with spaces",
    "registry: { serve: true, store: redis, redis: { url: 'redis://a.test', prefix: 'a b' } }",
    /redis\.prefix must be at most 128/,
  ],
  ["a taken address", 'registry: { serve: true, bind: "127.0.0.1:8080" }', /registry\.bind "127\.0\.0\.1:8080" is taken/],
  [
    "one token for two",
    "registry: { serve: true, tokens: [{ name: a, token: 0123456789abcdefg, services: [a] }, { name: b, token: 0123456789abcdefg, services: ['*'] }] }",
    /tokens\[1\]\.token is the token of another entry/,
  ],
];

for (const [what, block, expected] of REGISTRY) {
  test(`${what} is refused`, () => {
    const problems = refuse(`${document("registry: {}")}${block}\n`);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      problems.join("\n"),
    );
    assert.ok(!problems.join().includes("hunter2"));
  });
}

test("a Redis store is compiled from its URL, which is shown nowhere", () => {
  const url = "rediss://gate:hunter2%40@Redis.test:6380/3";
  const text = `${document("registry: {}")}registry: { serve: true, store: redis, redis: { url: "${url}" } }\n`;
  const { snapshot } = accept(text);
  const tls = { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true };
  const place = { host: "redis.test", port: 6380, username: "gate", password: "hunter2@", database: 3 };
  assert.deepEqual(snapshot.registry?.redis, { ...place, prefix: "windrose:", tls });
  const result = parseConfig(text, "test.yaml", { env: {} });
  assert.ok(result.ok);
  assert.doesNotMatch(JSON.stringify(redactDocument(result.document)), /hunter2|Redis\.test/);
});

test("services are found in the registry of this gateway under their own names", () => {
  assert.match(
    refuse(document("registry: {}")).join(),
    /endpoints\.registry needs the block registry \(write registry: \{ serve: true \}\)/,
  );
  const { snapshot } = accept(`${document("registry: {}")}registry: { serve: true }\n`);
  assert.deepEqual(snapshot.services[0]?.endpoints, { type: "registry", service: "orders", minimumEndpoints: 1 });
  assert.deepEqual(snapshot.registry, {
    redis: null,
    bind: { host: "127.0.0.1", port: 9902 },
    tokens: [],
    graceMs: 60_000,
    drainMs: 30_000,
    retentionMs: 3_600_000,
  });
});
