import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { jsonSchema, jsonSchemaText } from "../../../src/config/index.js";

const PATH = "config/windrose.schema.json";

test("the checked-in JSON Schema is the one generated from the schema", () => {
  const how = `${PATH} is out of date: run \`npm run build && node dist/src/main.js check --write-schema ${PATH}\` and commit the result`;
  assert.equal(readFileSync(PATH, "utf8") === jsonSchemaText(), true, how);
});

test("the JSON Schema knows every block, refuses others, and describes fields", () => {
  const schema = jsonSchema() as {
    properties: Record<string, { description?: string }>;
    required: string[];
    additionalProperties: boolean;
  };
  const blocks = [
    "listeners",
    "routes",
    "services",
    "providers",
    "limits",
    "zone",
    "registry",
    "telemetry",
    "admin",
    "workers",
    "drain",
    "supervision",
  ];
  assert.deepEqual(Object.keys(schema.properties), blocks);
  assert.deepEqual(schema.required, ["listeners"]);
  assert.equal(schema.additionalProperties, false);
  assert.ok((schema.properties["services"]?.description ?? "").length > 0);
});

test("a text of a filter may be a file reference, a number may be a variable", () => {
  const text = jsonSchemaText();
  const filters = (
    jsonSchema() as {
      properties: {
        routes: {
          items: {
            properties: { filters: { items: { properties: Record<string, { properties: Record<string, { anyOf?: unknown[] }> }> } } };
          };
        };
      };
    }
  ).properties.routes.items.properties.filters.items.properties;
  assert.deepEqual(Object.keys(filters).sort(), [
    "grpcWeb",
    "jwt",
    "rateLimit",
    "redirect",
    "requestHeaders",
    "respond",
    "responseHeaders",
  ]);
  assert.equal(filters["respond"]?.properties["body"]?.anyOf?.length, 2);
  assert.ok(text.includes("\\\\$\\\\{"));
});
