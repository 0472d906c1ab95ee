/** Every example in config/ compiles without a warning, with throw-away certificates in place of real ones. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "../../../src/config/index.js";
import { staticEndpointsOf } from "../../../src/engine/model/endpoint-source.js";
import { ENV, examples, makeReferences, yamlFilesOf } from "./example-files.js";
import { problemsOf, temporaryDirectory } from "./fixtures.js";

test("there are examples, the quickstart among them", () => {
  assert.ok(examples.includes("quickstart.yaml"));
  assert.ok(examples.length >= 4);
});

for (const example of examples) {
  test(`config/${example} compiles without a warning`, (context) => {
    const root = temporaryDirectory(context);
    cpSync("config", join(root, "config"), { recursive: true });
    const path = join(root, "config", example);
    for (const file of yamlFilesOf(path)) makeReferences(file);
    const result = loadConfig(path, { env: ENV });
    assert.deepEqual(problemsOf(result).map(formatProblem), []);
    assert.ok(result.ok);
    assert.deepEqual(result.warnings.map(formatProblem), []);
  });
}

for (const example of examples.flatMap((name) => yamlFilesOf(join("config", name)))) {
  test(`${example} points editors to the schema, or belongs to a file that does`, () => {
    const first = readFileSync(example, "utf8").split("\n", 1)[0] ?? "";
    const match = /^# yaml-language-server: \$schema=(.+)$/.exec(first);
    if (dirname(example) === "config") assert.ok(match !== null);
    if (match !== null) assert.ok(existsSync(join(dirname(example), match[1] as string)));
  });
}

test("the quickstart is what the README and the demo rely on", (context) => {
  const root = temporaryDirectory(context);
  cpSync("config", join(root, "config"), { recursive: true });
  makeReferences(join(root, "config/quickstart.yaml"));
  const result = loadConfig(join(root, "config/quickstart.yaml"), { env: {} });
  assert.ok(result.ok);
  const { snapshot } = result;
  assert.deepEqual(
    snapshot.listeners.map((listener) => [listener.name, listener.protocol, listener.bind.port]),
    [
      ["public", "https", 8443],
      ["plain", "http", 8080],
    ],
  );
  assert.deepEqual(
    snapshot.routes.map((route) => route.name),
    ["to-https", "orders", "catalog", "hello"],
  );
  assert.deepEqual(
    snapshot.services.flatMap((service) => staticEndpointsOf(service.endpoints).map((endpoint) => endpoint.port)),
    [9101, 9102, 9201, 9202],
  );
  assert.deepEqual(
    snapshot.jwtProviders.map((provider) => [provider.name, provider.issuer, provider.audiences]),
    [["dev", "https://dev.windrose.local", ["api"]]],
  );
  assert.deepEqual(snapshot.admin.bind, { host: "127.0.0.1", port: 9901 });
});
