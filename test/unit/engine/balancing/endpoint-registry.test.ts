import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEndpointRegistry, type EndpointRegistry } from "../../../../src/engine/balancing/endpoint-registry.js";
import type { Endpoint } from "../../../../src/engine/model/endpoint.js";
import type { EndpointSpec, ServiceSpec, UpstreamTlsSpec } from "../../../../src/engine/model/snapshot.js";
import { endpointSpec, HTTP2, serviceSpec } from "./endpoints.js";

const TLS: UpstreamTlsSpec = { serverName: "", caPem: "", isVerified: true, alpn: ["h2", "http/1.1"] };

function listed(registry: EndpointRegistry, service: ServiceSpec, now = 1): readonly Endpoint[] {
  return registry.reconcile(service, now).endpoints;
}

describe("endpoint registry", () => {
  it("builds endpoints with their targets, in order", () => {
    const [plain, ipv6] = listed(
      createEndpointRegistry(),
      serviceSpec([endpointSpec("a.internal", { port: 8080, weight: 3, zone: "z1", labels: { version: "v1" } }), endpointSpec("::1")]),
    );
    assert.equal(plain?.id, "a.internal:8080");
    assert.deepEqual([plain?.weight, plain?.zone, plain?.labels, plain?.inFlight], [3, "z1", { version: "v1" }, 0]);
    const limits = {
      connectTimeoutMs: 5_000,
      keepAliveMs: 60_000,
      connectionAgeMs: 3_600_000,
      maxConnections: 1_024,
      maxPendingRequests: 1_024,
      maxSlowClientPercent: 75,
      maxWebSockets: 10_000,
    };
    assert.deepEqual(plain?.target, {
      ...{ key: "http1|a.internal|8080", host: "a.internal", port: 8080, version: "http1", http2: HTTP2, tls: null },
      ...limits,
    });
    assert.equal(ipv6?.id, "[::1]:80");
    assert.equal(ipv6?.target.host, "::1");
  });

  it("keeps endpoints across snapshots and updates what may change in place", () => {
    const registry = createEndpointRegistry();
    const [before] = listed(registry, serviceSpec([endpointSpec("a")]));
    before!.inFlight = 7;
    const changed = [endpointSpec("new"), endpointSpec("a", { weight: 0, zone: "z", labels: { x: "1" } })];
    const [fresh, after] = listed(registry, serviceSpec(changed, { maxConnections: 5, connectTimeoutMs: 9 }));
    assert.equal(after, before);
    assert.deepEqual([after?.inFlight, after?.weight, after?.zone, after?.labels], [7, 0, "z", { x: "1" }]);
    assert.deepEqual([after?.target.maxConnections, after?.target.connectTimeoutMs], [5, 9]);
    assert.equal(fresh?.inFlight, 0);
  });

  it("makes a new endpoint when protocol, address or TLS settings change", () => {
    const registry = createEndpointRegistry();
    const variants = [
      serviceSpec([endpointSpec("a")]),
      serviceSpec([endpointSpec("a", { port: 81 })]),
      serviceSpec([endpointSpec("a")], { protocol: "https", tls: TLS }),
      serviceSpec([endpointSpec("a")], { protocol: "https", tls: { ...TLS, serverName: "b" } }),
      serviceSpec([endpointSpec("a")], { protocol: "https", tls: { ...TLS, isVerified: false } }),
      serviceSpec([endpointSpec("a")], { protocol: "https", tls: { ...TLS, caPem: "PEM 1" } }),
      serviceSpec([endpointSpec("a")], { protocol: "https", tls: { ...TLS, caPem: "PEM 2" } }),
    ];
    const endpoints = variants.map((variant) => listed(registry, variant)[0]);
    assert.equal(new Set(endpoints).size, variants.length);
    assert.equal(new Set(endpoints.map((endpoint) => endpoint?.target.key)).size, variants.length);
  });

  it("fills in the name to verify, and verifies when nothing is said about TLS", () => {
    const registry = createEndpointRegistry();
    const target = (tls: UpstreamTlsSpec | null) =>
      listed(registry, serviceSpec([endpointSpec("a")], { protocol: "https", tls }))[0]?.target.tls;
    assert.deepEqual(target(TLS), { serverName: "a", caPem: "", isVerified: true });
    assert.deepEqual(target(null), { serverName: "a", caPem: "", isVerified: true });
    assert.deepEqual(target({ ...TLS, serverName: "b", caPem: "PEM", isVerified: false }), {
      serverName: "b",
      caPem: "PEM",
      isVerified: false,
    });
  });

  it("knows which version of HTTP a target speaks, and shares no connections between versions", () => {
    const registry = createEndpointRegistry();
    const target = (protocol: ServiceSpec["protocol"], ...alpn: UpstreamTlsSpec["alpn"]) => {
      const tls = protocol === "https" || protocol === "h2" ? { ...TLS, alpn } : null;
      return listed(registry, serviceSpec([endpointSpec("a")], { protocol, tls }))[0]?.target;
    };
    const targets = [
      target("http1"),
      target("h2c"),
      target("h2", "h2"),
      target("https", "h2", "http/1.1"),
      target("https", "http/1.1"),
      target("https", "h2"),
    ];
    assert.deepEqual(
      targets.map((each) => each?.version),
      ["http1", "http2", "http2", "negotiated", "http1", "http2"],
    );
    assert.equal(new Set(targets.map((each) => each?.key)).size, 5, "h2 and https with h2 alone are the same");
    assert.equal(target("h2c")?.tls, null);
  });

  it("keeps services apart and counts an address once", () => {
    const registry = createEndpointRegistry();
    const [a, ...rest] = listed(registry, serviceSpec([endpointSpec("a"), endpointSpec("a", { weight: 9 })]));
    const [b] = listed(registry, serviceSpec([endpointSpec("a")], { name: "other" }));
    assert.equal(rest.length, 0);
    assert.notEqual(a, b);
    assert.equal(a?.target.key, b?.target.key, "one pool serves both");
  });

  it("forgets endpoints and services that are gone", () => {
    const registry = createEndpointRegistry();
    const [first] = listed(registry, serviceSpec([endpointSpec("a")]));
    listed(registry, serviceSpec([endpointSpec("b")]));
    const [second] = listed(registry, serviceSpec([endpointSpec("a")]));
    assert.notEqual(second, first);
    registry.retainServices(new Set(["other"]));
    assert.notEqual(listed(registry, serviceSpec([endpointSpec("a")]))[0], second);
    registry.retainServices(new Set(["orders"]));
    const [kept] = listed(registry, serviceSpec([endpointSpec("a")]));
    assert.equal(listed(registry, serviceSpec([endpointSpec("a")]))[0], kept);
  });

  it("has one set per service, and raises its numbers only when something has changed", () => {
    const registry = createEndpointRegistry();
    const service = serviceSpec([endpointSpec("a"), endpointSpec("b", { labels: { x: "1", y: "2" } })]);
    const set = registry.reconcile(service, 1);
    assert.equal(registry.setOf("orders"), set);
    assert.ok(set.endpoints.every((endpoint) => endpoint.set === set));
    const numbers = (): number[] => [set.layout, set.generation];
    const before = numbers();
    const same = [endpointSpec("a"), endpointSpec("b", { labels: { y: "2", x: "1" } })];
    assert.equal(registry.reconcile({ ...service, endpoints: { type: "static", endpoints: same }, maxConnections: 7 }, 2), set);
    assert.deepEqual(numbers(), before);
    const changes: EndpointSpec[][] = [
      [endpointSpec("b"), endpointSpec("a")],
      [endpointSpec("b"), endpointSpec("a", { weight: 2 })],
      [endpointSpec("b"), endpointSpec("a", { zone: "z" })],
      [endpointSpec("b"), endpointSpec("a", { priority: 1 })],
      [endpointSpec("b"), endpointSpec("a", { labels: { x: "1" } })],
      [endpointSpec("b")],
      [],
    ];
    let [layout, generation] = before as [number, number];
    for (const endpoints of changes) {
      registry.reconcileEndpoints(service, endpoints, 3);
      assert.ok(set.layout > layout && set.generation > generation, JSON.stringify(endpoints));
      [layout, generation] = numbers() as [number, number];
    }
    set.touch();
    assert.deepEqual(numbers(), [layout, generation + 1]);
  });

  it("takes endpoints for new that come to a service that had some", () => {
    const registry = createEndpointRegistry();
    const [a] = listed(registry, serviceSpec([endpointSpec("a")]), 100);
    const [, b] = listed(registry, serviceSpec([endpointSpec("a"), endpointSpec("b")]), 200);
    assert.deepEqual([a?.startedAt, b?.startedAt], [0, 200]);
    listed(registry, serviceSpec([endpointSpec("a"), endpointSpec("b")]), 300);
    assert.equal(b?.startedAt, 200);
  });
});
