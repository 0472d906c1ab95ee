/** The JSON Schemas that editors use, generated from the schemas that check what is written. */
import { z } from "zod";
import { TEXT_PLACES } from "./filter-files.js";
import { documentSchema } from "./schema/document.js";
import { routeTestsSchema } from "./schema/route-tests.js";

/** Describes the document as it is written: defaults are optional, durations are text. */
export function jsonSchema(): JsonNode {
  const schema = schemaOf(documentSchema, "Windrose configuration");
  for (const { path } of TEXT_PLACES) allowFile(schema, ["routes", "[]", "filters", "[]", ...path]);
  return allowVariables(schema);
}

/** The text of config/windrose.schema.json. */
export function jsonSchemaText(): string {
  return textOf(jsonSchema());
}

/** The text of config/route-tests.schema.json. */
export function routeTestsSchemaText(): string {
  return textOf(allowVariables(schemaOf(routeTestsSchema, "Windrose route tests")));
}

function textOf(schema: JsonNode): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Draft 2020-12. */
function schemaOf(source: z.ZodType, title: string): JsonNode {
  const { $schema, ...rest } = z.toJSONSchema(source, { io: "input", unrepresentable: "any", reused: "inline" }) as JsonNode;
  return { $schema, title, ...rest };
}

type JsonNode = Record<string, unknown>;

const FILE_REFERENCE: JsonNode = {
  type: "object",
  properties: { file: { type: "string" } },
  required: ["file"],
  additionalProperties: false,
};

/** Text of filters may come from a file; their own schemas do not know that. */
function allowFile(root: JsonNode, path: readonly string[]): void {
  let parent = root;
  let key = "";
  let node: unknown = root;
  for (const part of path) {
    const isFixed = part !== "*" && part !== "[]";
    parent = (isFixed ? (node as JsonNode)["properties"] : node) as JsonNode;
    key = isFixed ? part : part === "*" ? "additionalProperties" : "items";
    node = parent[key];
  }
  parent[key] = { anyOf: [node, FILE_REFERENCE] };
}

/** `${NAME}` may stand for any number, boolean or patterned text; an editor must not mark it as wrong. */
function allowVariables(node: JsonNode): JsonNode {
  const copy: JsonNode = {};
  for (const [key, value] of Object.entries(node)) copy[key] = allowVariablesIn(value);
  const isScalar = copy["type"] === "number" || copy["type"] === "integer" || copy["type"] === "boolean";
  const isChoice = copy["type"] === "string" && ("enum" in copy || "pattern" in copy || "const" in copy);
  if (!isScalar && !isChoice) return copy;
  const { description, default: value, ...rule } = copy;
  const outer = { ...(description === undefined ? {} : { description }), ...(value === undefined ? {} : { default: value }) };
  return { ...outer, anyOf: [rule, { type: "string", pattern: "\\$\\{[^}]*\\}" }] };
}

function allowVariablesIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allowVariablesIn);
  if (typeof value !== "object" || value === null) return value;
  return allowVariables(value as JsonNode);
}
