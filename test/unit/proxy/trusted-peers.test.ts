import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientAddressFrom, createTrustedPeers } from "../../../src/proxy/trusted-peers.js";

describe("createTrustedPeers", () => {
  it("knows addresses and networks of both families", () => {
    const peers = createTrustedPeers(["10.0.0.0/8", "192.0.2.1", "fd00::/8"]);
    for (const address of ["10.1.2.3", "192.0.2.1", "fd12::1"]) assert.equal(peers.has(address), true, address);
    for (const address of ["11.0.0.1", "192.0.2.2", "fe80::1", "nonsense", ""]) assert.equal(peers.has(address), false, address);
  });

  it("answers the same when asked again, and after very many other addresses", () => {
    const peers = createTrustedPeers(["10.0.0.0/8"]);
    for (let i = 0; i < 10_000; i++) assert.equal(peers.has(`11.0.${i >> 8}.${i & 255}`), false);
    assert.equal(peers.has("10.0.0.1"), true);
  });

  it("trusts nobody by default", () => {
    assert.equal(createTrustedPeers([]).has("127.0.0.1"), false);
  });
});

describe("clientAddressFrom", () => {
  const trusted = createTrustedPeers(["10.0.0.0/8"]);
  const cases: [string, string, string, string][] = [
    ["an untrusted peer is the client whatever it says", "1.2.3.4", "192.0.2.1", "192.0.2.1"],
    ["a trusted peer is believed one hop", "1.2.3.4", "10.0.0.1", "1.2.3.4"],
    ["a forged entry left of the real client is not reached", "6.6.6.6, 1.2.3.4, 10.9.9.9", "10.0.0.1", "1.2.3.4"],
    ["a malformed entry ends the walk", "1.2.3.4, unknown", "10.0.0.1", "10.0.0.1"],
    ["ports and brackets are stripped", "[2001:db8::1]:443", "10.0.0.1", "2001:db8::1"],
    ["an IPv4 port is stripped", "1.2.3.4:5678", "10.0.0.1", "1.2.3.4"],
    ["all hops trusted leaves the leftmost", "10.0.0.3, 10.0.0.2", "10.0.0.1", "10.0.0.3"],
  ];
  for (const [name, forwardedFor, peer, expected] of cases) {
    it(name, () => assert.equal(clientAddressFrom(forwardedFor, peer, trusted), expected));
  }
});
