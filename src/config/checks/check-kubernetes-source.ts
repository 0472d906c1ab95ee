/** `endpoints.kubernetes`: servers, one way to show who asks, settings that have an effect. */
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { checkSourceServer, type SourceServerDraft, warnOnPlainSecret } from "./check-source-server.js";
import { checkToken } from "./check-token.js";
import type { TextValue } from "./read-text.js";

export interface KubernetesDraft extends SourceServerDraft {
  readonly token?: TextValue | undefined;
  readonly tokenFile?: string | undefined;
}

/** They are signed, and tell of the pod and its node. */
const MAX_TOKEN_LENGTH = 8_192;

export function checkKubernetesSource(kubernetes: KubernetesDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkSourceServer(kubernetes, at, context);
  if (checker.isWritten([...at, "tls"]) && !checker.isWritten([...at, "urls"])) {
    checker.error([...at, "tls"], "has no effect without urls", "in its own cluster the gateway trusts the roots of its service account");
  }
  const token = [...at, "token"];
  const tokenFile = [...at, "tokenFile"];
  if (checkToken(token, kubernetes.token, context, MAX_TOKEN_LENGTH) !== null) warnOnPlainSecret(kubernetes, token, context);
  if (!checker.isWritten(tokenFile)) return;
  if (checker.isWritten(token)) checker.error(tokenFile, "has no effect beside token", "write one of the two");
  else warnOnPlainSecret(kubernetes, tokenFile, context);
}
