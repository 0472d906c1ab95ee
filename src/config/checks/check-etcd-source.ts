/** `endpoints.etcd`: servers, a prefix that means one service, a user with a password. */
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { checkSourceServer, type SourceServerDraft, warnOnPlainSecret } from "./check-source-server.js";
import { checkPassword, checkUser } from "./check-token.js";
import type { TextValue } from "./read-text.js";

export interface EtcdDraft extends SourceServerDraft {
  readonly prefix?: string | undefined;
  readonly password?: TextValue | undefined;
}

export function checkEtcdSource(etcd: EtcdDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkSourceServer(etcd, at, context);
  checkUser(at, context);
  const password = [...at, "password"];
  if (checkPassword(password, etcd.password, context) !== null) warnOnPlainSecret(etcd, password, context);
  if (/[\p{L}\p{N}]$/u.test(etcd.prefix ?? "")) {
    const prefix = [...at, "prefix"];
    checker.warn(
      prefix,
      `${checker.quote(prefix)} is also how keys of services with longer names begin`,
      "end it with a slash, as keys have it",
    );
  }
}
