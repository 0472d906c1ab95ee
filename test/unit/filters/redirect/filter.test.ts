import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRedirectFilter } from "../../../../src/filters/redirect/filter.js";
import { schema } from "../../../../src/filters/redirect/schema.js";
import type { Reply } from "../../../../src/proxy/ports.js";
import { createContext, type TestRequest } from "../filter-context.js";

function reply(config: unknown, request: TestRequest): Reply {
  const verdict = createRedirectFilter(schema.parse(config)).onRequest?.(createContext(request));
  assert.ok(verdict && !(verdict instanceof Promise));
  return verdict;
}

function location(config: unknown, request: TestRequest): string {
  const { status, headers } = reply(config, request);
  assert.equal(status, 302);
  assert.equal(headers[0], "location");
  return headers[1] as string;
}

test("path and query stay by default, default ports are left out", () => {
  const cases: [unknown, TestRequest, string][] = [
    [{ scheme: "https" }, { scheme: "http", authority: "a.example:8080", path: "/x", query: "q=1" }, "https://a.example/x?q=1"],
    [{ scheme: "https", port: 8443 }, { scheme: "http", authority: "a.example:8080", path: "/x" }, "https://a.example:8443/x"],
    [{ scheme: "https", port: 443 }, { scheme: "http", authority: "a.example" }, "https://a.example/"],
    [{ hostname: "b.example" }, { scheme: "http", authority: "a.example:8080", path: "/x", query: "" }, "http://b.example:8080/x?"],
    [{ hostname: "b.example" }, { scheme: "https", authority: "a.example:443", path: "/x" }, "https://b.example/x"],
    [{ port: 80 }, { scheme: "https", authority: "a.example" }, "https://a.example:80/"],
    [{}, { scheme: "http", authority: "[::1]:81", host: "[::1]", path: "/" }, "http://[::1]:81/"],
    [{ path: { type: "ReplaceFullPath", value: "/new" } }, { path: "/old/x", query: "a=b" }, "https://api.example.com/new?a=b"],
  ];
  for (const [config, request, expected] of cases) assert.equal(location(config, request), expected);
});

test("a prefix is replaced as in the Gateway API's table", () => {
  const cases: [string, string, string, string][] = [
    ["/foo/bar", "/foo", "/xyz", "/xyz/bar"],
    ["/foo/bar", "/foo", "/xyz/", "/xyz/bar"],
    ["/foo/bar", "/foo/", "/xyz", "/xyz/bar"],
    ["/foo", "/foo", "/xyz", "/xyz"],
    ["/foo/", "/foo", "/xyz", "/xyz/"],
    ["/foo/bar", "/foo", "/", "/bar"],
    ["/foo/", "/foo", "/", "/"],
    ["/foo", "/foo", "/", "/"],
    ["/bar", "/", "/xyz", "/xyz/bar"],
  ];
  for (const [path, matchedPath, value, expected] of cases) {
    const config = { path: { type: "ReplacePrefixMatch", value } };
    assert.equal(location(config, { path, matchedPath }), `https://api.example.com${expected}`, `${path} ${matchedPath} ${value}`);
  }
});

test("a path that looks like a host stays a path", () => {
  assert.equal(location({}, { path: "//evil.example/x" }), "https://api.example.com//evil.example/x");
  const config = { path: { type: "ReplacePrefixMatch", value: "/" } };
  assert.equal(location(config, { path: "/a//evil.example", matchedPath: "/a" }), "https://api.example.com//evil.example");
});

test("a request without a plain host is refused when its host is needed", () => {
  for (const host of ["", "a.example@evil.example", "a.example/x", "a example", "a\r\nb", "a:b", "[::1", "é.example"]) {
    assert.equal(reply({}, { authority: "x", host }).code, "bad-request", host);
    assert.equal(reply({ hostname: "b.example" }, { authority: "x", host }).status, 302);
  }
});

test("each status code can be chosen", () => {
  for (const statusCode of [301, 302, 303, 307, 308]) assert.equal(reply({ statusCode }, {}).status, statusCode);
});

test("whatever the request holds, the location stays on the host and on one line", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom("/", "/a", "/a/"),
      (path, query, matchedPath) => {
        const config = { path: { type: "ReplacePrefixMatch", value: "/b" } };
        const url = location(config, { path: `/${path}`, query, matchedPath });
        assert.match(url, /^https:\/\/api\.example\.com\/[\x21-\x7e]*$/);
        assert.equal(new URL(url).host, "api.example.com");
      },
    ),
  );
});
