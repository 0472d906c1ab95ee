/** `endpoints.zookeeper`: servers that are different ones, a session that lasts long enough, a user with a password. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { checkRepeats } from "./check-listeners.js";
import { checkPassword, checkUser } from "./check-token.js";
import type { TextValue } from "./read-text.js";

export interface ZooKeeperDraft {
  readonly servers?: readonly (string | undefined)[] | undefined;
  readonly password?: TextValue | undefined;
  readonly sessionTimeout?: string | undefined;
}

const MIN_SESSION_MS = 1_000;
const MAX_SESSION_MS = 600_000;

export function checkZooKeeperSource({ servers, password, sessionTimeout }: ZooKeeperDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkRepeats(servers, [...at, "servers"], checker);
  checkUser(at, context);
  checkPassword([...at, "password"], password, context);
  const sessionMs = parseDuration(sessionTimeout ?? "");
  if (sessionMs !== null && (sessionMs < MIN_SESSION_MS || sessionMs > MAX_SESSION_MS)) {
    checker.error([...at, "sessionTimeout"], "must be from 1s to 10m");
  }
}
