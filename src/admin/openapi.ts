/** The API's description (OpenAPI 3.1), made from the very table that the server answers from. */
import { z } from "zod";
import type { AnswerText, Endpoint } from "./endpoint.js";
import { parameterOf } from "./router.js";
import { apiProblem } from "./schemas.js";

type JsonObject = Record<string, unknown>;

/** What every endpoint may answer; those of a body and of access come on top. */
const REFUSED: AnswerText = { about: "Refused: the problem says why.", schema: apiProblem };

export function openApiDocument(endpoints: readonly Endpoint[], version: string): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method.toLowerCase()]: operation(endpoint) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Windrose admin API",
      version,
      description:
        "Fields may be added to answers within v1; none will change or go. Problems are RFC 9457. " +
        "Over the Unix socket no token is needed; over TCP, changes always need one of role write.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "http://127.0.0.1:9901" }],
    paths,
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  };
}

function operation(endpoint: Endpoint): JsonObject {
  const { id, about, access, body } = endpoint;
  const parameters = [...pathParameters(endpoint), ...queryParameters(endpoint)];
  return {
    operationId: id,
    summary: about,
    "x-windrose-role": access,
    security: access === "open" ? [] : access === "read" ? [{ token: [] }, {}] : [{ token: [] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: { required: !body.safeParse(undefined).success, content: jsonContent(body, "input") } }),
    responses: responses(endpoint),
  };
}

function pathParameters({ path }: Endpoint): JsonObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => {
    const { pattern, about } = parameterOf(name);
    return { name, in: "path", required: true, description: about, schema: { type: "string", pattern: `^${pattern}$` } };
  });
}

function queryParameters({ query }: Endpoint): JsonObject[] {
  if (query === null) return [];
  const { properties } = jsonSchema(query, "output") as { properties: Record<string, JsonObject> };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: "query", required: false, schema }));
}

function responses(endpoint: Endpoint): JsonObject {
  const described: JsonObject = {};
  for (const [status, { about, contentType, schema }] of Object.entries({ ...refusalsOf(endpoint), ...endpoint.answers })) {
    const content = schema === null ? { [contentType ?? ""]: {} } : jsonContent(schema, "output");
    described[status] = { description: about, content };
  }
  return described;
}

function refusalsOf({ access, body, query }: Endpoint): Record<number, AnswerText> {
  return {
    ...(access === "open" ? {} : { 401: REFUSED, 403: REFUSED, 421: REFUSED }),
    ...(body === null && query === null ? {} : { 400: REFUSED }),
    ...(body === null ? {} : { 408: REFUSED, 413: REFUSED, 415: REFUSED, 429: REFUSED }),
    500: REFUSED,
  };
}

function jsonContent(schema: z.ZodType, io: "input" | "output"): JsonObject {
  return { [schema === apiProblem ? "application/problem+json" : "application/json"]: { schema: jsonSchema(schema, io) } };
}

/** Requests are strict. Answers are not: their readers have to put up with fields that are new. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    reused: "inline",
    override: ({ jsonSchema: node }) => {
      if (io === "output" && node.additionalProperties === false) delete node.additionalProperties;
    },
  }) as JsonObject;
  return rest;
}
