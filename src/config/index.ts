/** What other layers may use of config/. */
export { diffDocuments } from "./diff.js";
export { type EndpointListResult, parseEndpointList } from "./endpoint-list.js";
export { jsonSchema, jsonSchemaText, routeTestsSchemaText } from "./json-schema.js";
export { type ConfigResult, type LoadOptions, loadConfig, loadTexts, parseConfig, readTexts } from "./load.js";
export { formatPath, formatPlace, formatProblem, type Problem, type ProblemSeverity, printable } from "./problems.js";
export { PieceCache } from "./read-pieces.js";
export { type LoadedDocument, REDACTED, redactDocument, SECRET_HEADERS } from "./redact.js";
export { loadRouteTests, type RouteTest, type RouteTests, type RouteTestsResult } from "./route-tests.js";
export { parseAddress } from "./schema/addresses.js";
export { folderOf } from "./source.js";
export { digestOf } from "./version.js";
