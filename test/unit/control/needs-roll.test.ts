import assert from "node:assert/strict";
import { test } from "node:test";
import { needsRoll } from "../../../src/control/needs-roll.js";
import type { ListenerSpec, Snapshot } from "../../../src/engine/model/snapshot.js";
import { accept } from "../config/fixtures.js";

const DOCUMENT = {
  listeners: `
  - { name: plain, bind: "127.0.0.1:8080", protocol: http }
  - { name: wire, bind: "127.0.0.1:8081", protocol: h2c }`,
  routes: `[{ name: all, listeners: [plain, wire], backends: [{ service: app }] }]`,
  services: `[{ name: app, endpoints: { static: [{ address: "127.0.0.1:9000" }] } }]`,
  rest: "workers: 2",
};

function compile(changes: Partial<typeof DOCUMENT> = {}): Snapshot {
  const { listeners, routes, services, rest } = { ...DOCUMENT, ...changes };
  return accept(`listeners:${listeners}\nroutes: ${routes}\nservices: ${services}\n${rest}\n`).snapshot;
}

const plain = (fields: string): string => DOCUMENT.listeners.replace("protocol: http }", `protocol: http, ${fields} }`);
const wire = (fields: string): string => DOCUMENT.listeners.replace("protocol: h2c }", `protocol: h2c, ${fields} }`);

const IN_PLACE: readonly (readonly [what: string, after: Partial<typeof DOCUMENT>])[] = [
  ["nothing", {}],
  ["a route", { routes: `[{ name: other, listeners: [wire], hostnames: [a.test], filters: [{ respond: { status: 204 } }] }]` }],
  ["services", { services: `[{ name: app, protocol: h2c, endpoints: { static: [{ address: "127.0.0.1:9001" }] } }]` }],
  ["providers", { rest: "workers: 2\nproviders: { jwt: [{ name: a, issuer: https://a.test, jwks: { uri: https://a.test/keys } }] }" }],
  ["the number of workers", { rest: "workers: 3" }],
  ["the drain timeout", { rest: "workers: 2\ndrain: { timeout: 1s }" }],
  ["supervision", { rest: "workers: 2\nsupervision: { stallTimeout: 1s, maxWorkerMemory: 1GiB }" }],
  ["the keys of rate limits", { rest: "workers: 2\nlimits: { maxKeys: 7 }" }],
  ["the share of logged exchanges", { rest: "workers: 2\ntelemetry: { accessLog: { sample: 0.5 } }" }],
  ["the admin listener", { rest: 'workers: 2\nadmin: { bind: "127.0.0.1:9999", token: abc }' }],
  ["the order of listeners", { listeners: DOCUMENT.listeners.split("\n").reverse().join("\n").replace(/^/, "\n") }],
  [
    "direction, hostnames, trust and hardening",
    { listeners: plain("direction: inbound, hostnames: [a.test], trustedProxies: [10.0.0.0/8], hardening: { normalisePath: false }") },
  ],
  [
    "limits of bodies, rates and connections",
    { listeners: plain("limits: { maxBodyBytes: 5, minBodyBytesPerSecond: 7, maxConnections: 9 }") },
  ],
  ["a smaller limit of heads", { listeners: plain("limits: { maxHeaderBytes: 8KiB }") }],
  ["timeouts of requests", { listeners: plain("timeouts: { request: 1s, streamIdle: 2s }") }],
  ["the queue and age of WebSockets", { listeners: plain("webSocket: { maxQueueBytes: 4KiB, maxAge: 1m }") }],
  [
    "anything of a listener on own codecs",
    {
      listeners: wire(
        "proxyProtocol: optional, trustedProxies: [10.0.0.0/8], limits: { maxHeaderBytes: 256KiB, maxHeaderFields: 9 }, " +
          "timeouts: { connectionAge: 1m, keepAlive: 7s, requestHeader: 8s }, webSocket: { compression: true, idleTimeout: 9s, maxMessageBytes: 1KiB }, " +
          "http2: { maxConcurrentStreams: 7 }",
      ),
    },
  ],
];

const BY_ROLL: readonly (readonly [after: Partial<typeof DOCUMENT>, reasons: readonly string[]])[] = [
  [{ listeners: DOCUMENT.listeners.replace("8080", "8090") }, ['listener "plain": bind']],
  [{ listeners: DOCUMENT.listeners.replace("127.0.0.1:8081", "127.0.0.2:8081") }, ['listener "wire": bind']],
  [{ listeners: DOCUMENT.listeners.replace("h2c", "http") }, ['listener "wire": protocol']],
  [{ listeners: `${DOCUMENT.listeners}\n  - { name: more, bind: "127.0.0.1:8082", protocol: h2c }` }, ['listener "more" is new']],
  [{ listeners: plain("limits: { maxConnectionsPerAddress: 50 }") }, ['listener "plain": limits.maxConnectionsPerAddress']],
  [{ listeners: wire("limits: { maxConnectionsPerAddress: 50 }") }, ['listener "wire": limits.maxConnectionsPerAddress']],
  [
    { listeners: wire("limits: { maxConnectionsPerAddress: 50 }"), rest: "workers: 3" },
    ['listener "wire": limits.maxConnectionsPerAddress', "workers: maxConnectionsPerAddress is divided among them"],
  ],
  [
    { listeners: plain("limits: { maxHeaderBytes: 32KiB }") },
    ['listener "plain": limits.maxHeaderBytes is larger than that of any listener before'],
  ],
  [{ listeners: plain("timeouts: { connectionAge: 1m }") }, ['listener "plain": timeouts.connectionAge']],
  [
    { listeners: plain("webSocket: { compression: true, idleTimeout: 9s, maxMessageBytes: 1KiB }") },
    ['listener "plain": webSocket.maxMessageBytes', 'listener "plain": webSocket.idleTimeout', 'listener "plain": webSocket.compression'],
  ],
  [{ rest: "workers: 2\ntelemetry: { accessLog: { path: stderr } }" }, ["telemetry.accessLog.path: workers open the log when they start"]],
];

test("what workers take in place needs no roll", () => {
  for (const [what, after] of IN_PLACE) assert.deepEqual(needsRoll(compile(), compile(after)), [], what);
});

test("what they cannot take is named", () => {
  for (const [after, reasons] of BY_ROLL) assert.deepEqual(needsRoll(compile(), compile(after)), reasons);
});

test("a listener that is gone needs a roll, and so does one with another name", () => {
  const before = compile();
  const renamed = { ...before, listeners: before.listeners.map((one) => (one.name === "wire" ? { ...one, name: "other" } : one)) };
  assert.deepEqual(needsRoll(before, renamed), ['listener "other" is new', 'listener "wire" is gone']);
});

test("a renewed certificate needs a roll on https, and none on h2, also under the same path", () => {
  const before = compile();
  const secured = (fingerprint: string): Snapshot => {
    const certificates = [{ certPath: "/a", keyPath: "/b", names: [], notAfterMs: 1, fingerprint }];
    return { ...before, listeners: before.listeners.map((one): ListenerSpec => ({ ...one, tls: { certificates } })) };
  };
  assert.deepEqual(needsRoll(secured("1"), secured("1")), []);
  assert.deepEqual(needsRoll(secured("1"), secured("2")), ['listener "plain": tls']);
});
