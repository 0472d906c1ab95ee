/** What other layers may use of config/. */
export { diffDocuments } from "./diff.js";
export { jsonSchema, jsonSchemaText } from "./json-schema.js";
export { type ConfigResult, type LoadOptions, loadConfig, loadTexts, parseConfig, readTexts } from "./load.js";
export { formatPath, formatProblem, type Problem, type ProblemSeverity, printable } from "./problems.js";
export { PieceCache } from "./read-pieces.js";
export { type LoadedDocument, REDACTED, redactDocument, SECRET_HEADERS } from "./redact.js";
export { digestOf } from "./version.js";
