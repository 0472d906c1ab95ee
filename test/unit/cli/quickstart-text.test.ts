import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeQuickstart, type QuickstartFacts } from "../../../src/cli/quickstart-text.js";
import { parseConfig } from "../../../src/config/index.js";

const DOCUMENT = `
listeners:
  - { name: public, bind: 127.0.0.1:0, protocol: http }
routes:
  - name: all
    filters:
      - respond: { body: hello }
admin: { bind: 127.0.0.1:0 }
`;

function facts(changes: (text: string) => string = (text) => text): QuickstartFacts {
  const result = parseConfig(changes(DOCUMENT), "test.yaml");
  assert.ok(result.ok, JSON.stringify(result.ok ? [] : result.problems));
  const info = {
    listeners: [{ name: "public", port: 8443, url: "" }],
    admin: { port: 9901, url: "http://127.0.0.1:9901" },
    registry: null,
    workers: 1,
  };
  return { info, snapshot: result.snapshot, token: "e30.e30.c2ln", caPath: "certs/ca.pem" };
}

describe("quickstart text", () => {
  it("shows addresses, and says so when a configuration has nothing to demonstrate", () => {
    const text = describeQuickstart(facts());
    assert.match(text, /http {5}http:\/\/localhost:8443 +listener "public"/);
    assert.match(text, /no https listener with a route that asks for a token/);
    assert.doesNotMatch(text, /e30/);
  });

  it("brackets IPv6 endpoints", () => {
    const text = describeQuickstart(
      facts(
        (yaml) =>
          `${yaml.replace("- respond: { body: hello }", "[]").replace("filters:\n      []", "backends: [{ service: a }]")}\nservices: [{ name: a, endpoints: { static: [{ address: "[::1]:9000" }] } }]\n`,
      ),
    );
    assert.match(text, /\[::1\]:9000 +demo service "a"/);
  });
});
