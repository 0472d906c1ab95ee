/** The admin API: a token whenever others than this machine can reach it, tokens that can be told apart, a socket path that fits. */
import { dirname, resolve } from "node:path";
import type { DocumentPath } from "../problems.js";
import { isLoopback, parseAddress } from "../schema/addresses.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { checkToken } from "./check-token.js";
import type { TextValue } from "./read-text.js";

const TOKEN: DocumentPath = ["admin", "token"];
const TOKENS: DocumentPath = ["admin", "tokens"];
const SOCKET: DocumentPath = ["admin", "socket"];

/** What the audit log calls callers without a token of their own. */
const RESERVED_NAMES = ["admin", "socket", "anonymous"];

/** `sun_path` has 108 bytes, the last is NUL. */
const MAX_SOCKET_BYTES = 107;
/** A socket begins its life under a name of this length in the same folder, with its slash. */
const FIRST_NAME_BYTES = 9;

type Admin = NonNullable<DocumentDraft["admin"]>;

export function checkAdmin({ admin }: DocumentDraft, context: CheckContext): void {
  checkBind(admin, context);
  checkTokens(admin, context);
  checkSocket(admin?.socket, context);
}

function checkBind(admin: Admin | undefined, { checker }: CheckContext): void {
  const address = parseAddress(admin?.bind ?? "");
  const hasToken = checker.isWritten(TOKEN) || checker.isWritten([...TOKENS, 0]);
  if (address === null || isLoopback(address.host) || hasToken) return;
  checker.error(
    ["admin", "bind"],
    `${checker.quote(["admin", "bind"])} can be reached from outside, so a token is required`,
    "add admin.token, or bind to 127.0.0.1",
  );
}

/** Two names for one token would make the audit log lie about who it was. */
function checkTokens(admin: Admin | undefined, context: CheckContext): void {
  const { checker } = context;
  const places = new Map<string, DocumentPath>();
  const read = (path: DocumentPath, value: TextValue | undefined): void => {
    const token = checkToken(path, value, context);
    if (token === null || token === "") return;
    const other = places.get(token);
    if (other === undefined) places.set(token, path);
    else checker.error(path, "is the token of another entry", `the other is at ${checker.where(other)}`);
  };
  read(TOKEN, admin?.token);
  checker.indexNames(TOKENS);
  admin?.tokens?.forEach((entry, index) => {
    read([...TOKENS, index, "token"], entry?.token);
    if (RESERVED_NAMES.includes(entry?.name ?? "")) {
      checker.error(
        [...TOKENS, index, "name"],
        `${checker.quote([...TOKENS, index, "name"])} is reserved`,
        "choose another: callers without a name of their own go by it",
      );
    }
  });
}

/** Whether its folder exists is seen at the start: it may lie in /run, which `check` elsewhere does not have. */
function checkSocket(socket: string | undefined, { checker }: CheckContext): void {
  if (socket === undefined) return;
  const absolute = resolve(checker.directoryOf(SOCKET), socket);
  const bytes = Math.max(Buffer.byteLength(absolute), Buffer.byteLength(dirname(absolute)) + FIRST_NAME_BYTES);
  if (socket.endsWith("/")) checker.error(SOCKET, `${checker.quote(SOCKET)} is a folder`, "name the socket in it: admin.sock");
  else if (bytes > MAX_SOCKET_BYTES) {
    checker.error(
      SOCKET,
      `leads to a path of more than ${MAX_SOCKET_BYTES} bytes, the most a socket can have`,
      "choose a shorter one, such as /run/windrose/admin.sock",
    );
  }
}
