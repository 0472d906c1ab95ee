/** `endpoints.nacos`: servers, one way to show who asks, bounds that do not cross. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { checkRepeats } from "./check-listeners.js";
import { checkSourceServer, type SourceServerDraft, warnOnPlainSecret } from "./check-source-server.js";
import { checkPassword, checkToken } from "./check-token.js";
import type { TextValue } from "./read-text.js";

export interface NacosDraft extends SourceServerDraft {
  readonly clusters?: readonly (string | undefined)[] | undefined;
  readonly password?: TextValue | undefined;
  readonly accessToken?: TextValue | undefined;
  readonly minRefresh?: string | undefined;
  readonly maxRefresh?: string | undefined;
}

export function checkNacosSource(nacos: NacosDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkSourceServer(nacos, at, context);
  checkRepeats(nacos.clusters, [...at, "clusters"], checker);
  checkAccess(nacos, at, context);
  const [least, most] = [nacos.minRefresh, nacos.maxRefresh].map((text) => parseDuration(text ?? ""));
  if (least != null && most != null && least > most) checker.error([...at, "minRefresh"], "must not be longer than maxRefresh");
}

function checkAccess(nacos: NacosDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const hasUser = checker.isWritten([...at, "username"]);
  const hasPassword = checker.isWritten([...at, "password"]);
  if (hasUser !== hasPassword) checker.error(at, hasUser ? "has a username without a password" : "has a password without a username");
  if (hasUser && checker.isWritten([...at, "accessToken"])) {
    checker.error([...at, "accessToken"], "has no effect beside a username", "write one of the two");
  }
  const password = [...at, "password"];
  if (checkPassword(password, nacos.password, context) !== null) warnOnPlainSecret(nacos, password, context);
  const token = [...at, "accessToken"];
  if (checkToken(token, nacos.accessToken, context) !== null) warnOnPlainSecret(nacos, token, context);
}
