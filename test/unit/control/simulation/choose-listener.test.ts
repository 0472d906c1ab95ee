import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseListener } from "../../../../src/control/simulation/choose-listener.js";
import { compile, request } from "./snapshots.js";

const { listeners } = compile(`
listeners:
  - { name: a, bind: "127.0.0.1:8080", protocol: http, hostnames: [a.example] }
  - { name: b, bind: "127.0.0.2:8080", protocol: http, hostnames: [b.example, "*.b.example"] }
  - { name: any, bind: "127.0.0.3:8080", protocol: http }
  - { name: multiplexed, bind: "127.0.0.1:9090", protocol: h2c }
`);

function choose(text: string, listener?: string): string {
  const choice = chooseListener(listeners, request(text, listener === undefined ? {} : { listener }));
  return typeof choice === "string" ? choice : [choice.listener.name, ...choice.others].join(" ");
}

describe("chooseListener", () => {
  it("goes by port, then by host, and names the others that would fit", () => {
    assert.equal(choose("http://a.example:8080/"), "a any");
    assert.equal(choose("http://x.b.example:8080/"), "b any");
    assert.equal(choose("http://else.example:8080/"), "any");
    assert.equal(choose("http://a.example:9090/"), "multiplexed");
  });

  it("takes every port when the URL names none: something in front translates it", () => {
    assert.equal(choose("http://b.example/"), "b any multiplexed");
  });

  it("says what there is when nothing fits", () => {
    assert.match(choose("https://a.example/"), /^no listener takes https \(there are: a \(http, port 8080\), b/);
    assert.match(choose("http://a.example:81/"), /^no listener takes http on port 81/);
    assert.match(choose("http://a.example/", "c"), /^there is no listener "c"/);
  });

  it("takes the one that is asked for, whatever the URL says", () => {
    assert.equal(choose("https://elsewhere:1/", "b"), "b");
  });

  it("takes the first for a host that none serves or that is malformed: it will answer", () => {
    const strict = listeners.filter(({ hostnames }) => hostnames.length > 0);
    for (const text of ["http://x.example:8080/", "http://a..b:8080/"]) {
      const choice = chooseListener(strict, request(text));
      assert.ok(typeof choice !== "string");
      assert.deepEqual([choice.listener.name, choice.others], ["a", []]);
    }
  });
});
