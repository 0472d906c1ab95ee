import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { normaliseHost } from "../../../../src/engine/routing/normalise-host.js";

fc.configureGlobal({ seed: 1_618 });

describe("normaliseHost", () => {
  it("lower-cases and drops port and one trailing dot", () => {
    const cases: Readonly<Record<string, string>> = {
      "api.example.com": "api.example.com",
      "API.Example.COM:8443": "api.example.com",
      "example.com.": "example.com",
      "example.com.:80": "example.com",
      localhost: "localhost",
      "my_service:0": "my_service",
      "xn--bcher-kva.example": "xn--bcher-kva.example",
      "1.example": "1.example",
      "a.1st": "a.1st",
      "127.0.0.1": "127.0.0.1",
      "10.0.0.255:65535": "10.0.0.255",
      "[::1]": "[::1]",
      "[2001:DB8::1]:443": "[2001:db8::1]",
      "[::ffff:1.2.3.4]": "[::ffff:1.2.3.4]",
      "[1:2:3:4:5:6:7::]": "[1:2:3:4:5:6:7::]",
    };
    for (const [authority, host] of Object.entries(cases)) assert.equal(normaliseHost(authority), host, authority);
  });

  it("refuses malformed names", () => {
    const names = [
      "",
      ".",
      "..",
      "a..b",
      ".a",
      "a b",
      "a/b",
      "a,b",
      "a;b",
      "a%41",
      "a\tb",
      "a\u00e9",
      "a\u0000",
      "user@host",
      "a:b@c",
      "a'b",
      "*.a",
      "a#b",
      "a\\b",
      "\u212a",
    ];
    for (const name of names) assert.equal(normaliseHost(name), null, JSON.stringify(name));
    assert.equal(normaliseHost("a".repeat(64)), null);
    assert.equal(normaliseHost(`${"a".repeat(63)}.b`), `${"a".repeat(63)}.b`);
    assert.equal(normaliseHost(`${"abcde.".repeat(42)}ab`), null);
    assert.equal(normaliseHost("a\n"), null);
  });

  it("refuses numbers that are not a dotted IPv4 address", () => {
    for (const name of ["1", "127.1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.04", "0x7f.1", "a.0x7f", "1.2.3.4a.5"]) {
      assert.equal(normaliseHost(name), null, name);
    }
  });

  it("refuses malformed ports", () => {
    for (const port of ["", "65536", "99999", "123456", "-1", "+1", "1a", " 1", "0x1", "80:80"]) {
      assert.equal(normaliseHost(`a:${port}`), null, port);
      assert.equal(normaliseHost(`[::1]:${port}`), null, port);
    }
  });

  it("refuses malformed IPv6 addresses", () => {
    const addresses = [
      "[]",
      "[:]",
      "[:::]",
      "[::1",
      "::1",
      "[1::2::3]",
      "[1:2:3:4:5:6:7]",
      "[1:2:3:4:5:6:7:8:9]",
      "[1:2:3:4:5:6:7:8::]",
      "[12345::]",
      "[g::]",
    ];
    const more = [
      "[fe80::1%25eth0]",
      "[::1.2.3]",
      "[1.2.3.4::]",
      "[::1.2.3.4:5]",
      "[v1.a]",
      "[::1]x",
      "[::1].",
      "[1.2.3.4]",
      "[1:2:3:4:5:6:7:1.2.3.4]",
      "[::256.1.1.1]",
    ];
    for (const address of [...addresses, ...more]) assert.equal(normaliseHost(address), null, address);
  });

  it("agrees with the platform on what an IPv6 address is", () => {
    const piece = fc.constantFrom(":", "::", "0", "1", "ab", "ffff", "12345", "1.2.3.4", "1.2.3", "");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV6(),
          fc.array(piece, { maxLength: 16 }).map((pieces) => pieces.join("")),
        ),
        (address) => {
          assert.equal(normaliseHost(`[${address}]`), isIPv6(address) ? `[${address.toLowerCase()}]` : null);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it("is idempotent", () => {
    fc.assert(
      fc.property(fc.webAuthority({ withPort: true, withIPv4: true, withIPv6: true }), (authority) => {
        const host = normaliseHost(authority);
        if (host !== null) assert.equal(normaliseHost(host), host);
      }),
    );
  });
});
