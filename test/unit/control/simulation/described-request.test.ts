import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readDescription, readRequestLine } from "../../../../src/control/simulation/described-request.js";

describe("readRequestLine", () => {
  it("reads a method and an absolute URL, and keeps the path as it is written", () => {
    const lines: readonly (readonly [string, readonly unknown[]])[] = [
      ["GET https://api.example.com/orders/1?a=1&b", ["GET", "https", "api.example.com", null, "/orders/1", "a=1&b"]],
      ["https://h", ["GET", "https", "h", null, "/", undefined]],
      ["  POST\tHTTP://h:8080?", ["POST", "http", "h:8080", 8080, "/", ""]],
      ["GET http://h/a/../%2e%2F//b", ["GET", "http", "h", null, "/a/../%2e%2F//b", undefined]],
      ["GET http://[::1]/", ["GET", "http", "[::1]", null, "/", undefined]],
      ["GET http://[::1]:81/", ["GET", "http", "[::1]:81", 81, "/", undefined]],
      ["get http://h/", ["get", "http", "h", null, "/", undefined]],
    ];
    for (const [text, expected] of lines) {
      const line = readRequestLine(text);
      assert.ok(typeof line !== "string", `${text}: ${line}`);
      assert.deepEqual([line.method, line.scheme, line.authority, line.port, line.path, line.query], expected, text);
    }
  });

  it("says what is wrong with everything else", () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["", /absolute URL/],
      ["/orders", /absolute URL/],
      ["GET orders.example.com/x", /absolute URL/],
      ["GET https://h/a b", /absolute URL/],
      ["GET ftp://h/", /scheme ftp/],
      ["GET https:///x", /no host/],
      ["GET https://u:p@h/", /names a user/],
      ["GET https://h/#top", /fragment/],
      ["G(T https://h/", /method/],
      [`https://h/${"a".repeat(70_000)}`, /too long/],
    ];
    for (const [text, message] of wrong) assert.match(String(readRequestLine(text)), message, text.slice(0, 40));
  });

  it("never throws, whatever it is given", () => {
    const parts = fc.array(
      fc.constantFrom("GET", " ", "http", "https", "://", "h", "[::1]", ":80", "/", "..", "?", "#", "@", "%2f", "\n", "\0", "\u2028"),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          parts.map((list) => list.join("")),
        ),
        (text) => {
          const line = readRequestLine(text);
          if (typeof line !== "string") assert.ok(line.path.startsWith("/") && !/\s/.test(line.authority + line.path));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("readDescription", () => {
  it("takes headers, and a Host in place of the URL's", () => {
    const described = readDescription({
      request: "http://h/",
      headers: [
        ["X-A", " 1 "],
        ["x-a", "2"],
        ["HOST", "other"],
      ],
    });
    assert.ok(described.ok);
    assert.deepEqual([described.request.authority, described.request.headers], ["other", ["x-a", "1", "x-a", "2"]]);
  });

  it("names the field that is wrong, and repeats no secret", () => {
    const base = { request: "http://h/" };
    const wrong = [
      [{ ...base, request: "x" }, "request"],
      [{ ...base, headers: [["a b", "secret"]] }, "headers"],
      [{ ...base, headers: [["authorization", "secret\r\nx: y"]] }, "headers"],
      [{ ...base, headers: Array.from({ length: 300 }, (_, i) => [`x-${i}`, ""] as const) }, "headers"],
      [{ ...base, address: "10.0.0.300" }, "address"],
      [{ ...base, jwt: "secret\nx" }, "jwt"],
      [{ ...base, identity: "a b" }, "identity"],
    ] as const;
    for (const [description, field] of wrong) {
      const described = readDescription(description as never);
      assert.ok(!described.ok);
      assert.equal(described.field, field);
      assert.ok(!described.message.includes("secret"), described.message);
    }
  });
});
