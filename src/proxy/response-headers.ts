/** What of an upstream response head may go down: everything but hop-by-hop fields (RFC 9110 §7.6.1). */
import type { HeaderList } from "../engine/model/request.js";
import { namedByConnection, withoutNamed } from "./forwarded-request.js";

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authentication-info",
  "te",
  "trailer",
  "transfer-encoding",
  "content-length",
  "upgrade",
  "http2-settings",
]);

/** Changes `headers` in place where it can; returns the list to send. */
export function downstreamHeaders(headers: HeaderList): HeaderList {
  let connection = "";
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (HOP_BY_HOP.has(name)) {
      if (name === "connection") connection = connection === "" ? (headers[i + 1] as string) : `${connection},${headers[i + 1]}`;
      continue;
    }
    if (kept !== i) {
      headers[kept] = name;
      headers[kept + 1] = headers[i + 1] as string;
    }
    kept += 2;
  }
  headers.length = kept;
  const named = namedByConnection(connection);
  return named.size === 0 ? headers : withoutNamed(headers, named);
}
