/** `endpoints.consul`: servers, token, lists without repeats, a wait that Consul keeps. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { checkRepeats } from "./check-listeners.js";
import { checkSourceServer, type SourceServerDraft, warnOnPlainSecret } from "./check-source-server.js";
import { checkToken } from "./check-token.js";
import type { TextValue } from "./read-text.js";

export interface ConsulDraft extends SourceServerDraft {
  readonly datacenters?: readonly (string | undefined)[] | undefined;
  readonly tags?: readonly (string | undefined)[] | undefined;
  readonly token?: TextValue | undefined;
  readonly wait?: string | undefined;
}

const MIN_WAIT_MS = 1_000;
/** Longer ones it shortens, and the gateway would wait in vain. */
const MAX_WAIT_MS = 600_000;

export function checkConsulSource(consul: ConsulDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkSourceServer(consul, at, context);
  checkRepeats(consul.datacenters, [...at, "datacenters"], checker);
  checkRepeats(consul.tags, [...at, "tags"], checker);
  const waitMs = parseDuration(consul.wait ?? "");
  if (waitMs !== null && (waitMs < MIN_WAIT_MS || waitMs > MAX_WAIT_MS)) checker.error([...at, "wait"], "must be from 1s to 10m");
  const token = [...at, "token"];
  if (checkToken(token, consul.token, context) !== null) warnOnPlainSecret(consul, token, context);
}
