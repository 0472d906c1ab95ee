import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  gatherEndpoints,
  MAX_VALUE_LENGTH,
  type ReadEndpoint,
  readOwnForm,
  readPlain,
  readValue,
} from "../../../src/discovery/endpoint-value.js";

const read = (text: string): ReadEndpoint => readValue(text, readOwnForm);
const plain = (host: string, port: number) => ({ host, port, weight: 1, zone: "", priority: 0, labels: {} });

describe("values that name an endpoint", () => {
  it("are host:port, whatever stands around it", () => {
    assert.deepEqual(read("10.0.0.5:8080"), plain("10.0.0.5", 8080));
    assert.deepEqual(read(" Orders.Internal:80\n"), plain("orders.internal", 80));
    assert.deepEqual(read("[FD00::1]:443"), plain("fd00::1", 443));
  });

  it("are list items as under static, as JSON", () => {
    const full = { address: "10.0.0.5:8080", weight: 0, zone: "b", priority: 2, labels: { b: "2", a: "1" } };
    const endpoint = read(JSON.stringify(full));
    assert.deepEqual(endpoint, { host: "10.0.0.5", port: 8080, weight: 0, zone: "b", priority: 2, labels: { a: "1", b: "2" } });
    assert.deepEqual(Object.keys((endpoint as { labels: object }).labels), ["a", "b"]);
    assert.deepEqual(read('{"address":"10.0.0.5:8080","started":"yesterday"}'), plain("10.0.0.5", 8080));
  });

  const flaws: readonly (readonly [text: string, flaw: RegExp])[] = [
    ["", /empty/],
    ["\n", /empty/],
    ["10.0.0.5", /unusable address/],
    ["10.0.0.5:0", /unusable address/],
    ["10.0.0.5:65536", /unusable address/],
    ["10.0.0.5:080000", /unusable address/],
    ["10.0.0:80", /unusable address/],
    ["0.0.0.0:80", /unusable address/],
    ["[::]:80", /unusable address/],
    ["[::1:80", /unusable address/],
    ["http://10.0.0.5:80", /unusable address/],
    ["host name:80", /unusable address/],
    ["host\r\nx:80", /unusable address/],
    ["{", /not JSON/],
    ["[]", /unusable address/],
    ["{}", /no address/],
    ['{"address":5}', /no address/],
    ['{"host":"10.0.0.5","port":80,"weight":1}', /no address/],
    ['{"address":"10.0.0.5:80","weight":-1}', /weight/],
    ['{"address":"10.0.0.5:80","weight":1.5}', /weight/],
    ['{"address":"10.0.0.5:80","weight":"5"}', /weight/],
    ['{"address":"10.0.0.5:80","weight":1000001}', /weight/],
    ['{"address":"10.0.0.5:80","priority":16}', /priority/],
    ['{"address":"10.0.0.5:80","zone":1}', /zone/],
    ['{"address":"10.0.0.5:80","labels":{"a":1}}', /labels/],
    ['{"address":"10.0.0.5:80","labels":["a"]}', /labels/],
    [`{"address":"10.0.0.5:80","zone":"${"x".repeat(MAX_VALUE_LENGTH)}"}`, /too long/],
    ["[".repeat(4_000), /unusable address/],
    [`{"a":${"[".repeat(4_000)}`, /not JSON/],
  ];
  for (const [text, flaw] of flaws) {
    it(`are not: ${JSON.stringify(text.slice(0, 60))}`, () => {
      const result = read(text);
      assert.equal(typeof result, "string");
      assert.match(result as string, flaw);
    });
  }

  it("never throw, and give whole endpoints or a flaw that does not quote them", () => {
    const odd = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => `{"address":"a:1","labels":${json}}`),
      fc.string().map((host) => `${host}:80`),
    );
    fc.assert(
      fc.property(odd, (text) => {
        const result = read(text);
        if (typeof result === "string") return /^(an?|no) [a-z JSON]+$|^unusable labels$/.test(result);
        return (
          result.port > 0 && result.port < 65_536 && result.host !== "" && Number.isInteger(result.weight) && !/[\s/]/.test(result.host)
        );
      }),
    );
  });
});

describe("endpoints gathered from values", () => {
  const written = (name: string, text: string, writtenAt = 0n) => ({ name, writtenAt, endpoint: read(text) });

  it("are sorted, and what was written last counts for an address", () => {
    const { endpoints, note } = gatherEndpoints(
      [written("c", '{"address":"10.0.0.2:80","weight":7}', 9n), written("a", "10.0.0.2:80", 8n), written("b", "10.0.0.1:80", 7n)],
      "keys",
    );
    assert.deepEqual(
      endpoints.map(({ host, weight }) => [host, weight]),
      [
        ["10.0.0.1", 1],
        ["10.0.0.2", 7],
      ],
    );
    assert.equal(note, "");
  });

  it("come with a count of what was left out, and the first name, made printable", () => {
    const { note } = gatherEndpoints([written("b", ""), written(`a\u001b[31m${"x".repeat(200)}`, ""), written("c", "a:1")], "keys");
    assert.equal(note, `keys are left out: 2 with an empty value (such as a?[31m${"x".repeat(93)}…)`);
  });

  it("are a failure when none of them can be used", () => {
    assert.throws(
      () => gatherEndpoints([written("b", "")], "keys"),
      /^Error: none is usable: keys are left out: 1 with an empty value \(such as b\)$/,
    );
    assert.deepEqual(gatherEndpoints([], "keys"), { endpoints: [], note: "" });
  });

  it("are read as one address alone when it is only that", () => {
    assert.equal(typeof readPlain('{"address":"a:1"}'), "string");
  });
});
