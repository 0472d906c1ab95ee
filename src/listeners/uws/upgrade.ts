/**
 * Whether a request that asks for a WebSocket may have one (RFC 6455 §4.2.1). The addon matches any GET with a key of the
 * right length, whatever else it says. Any other upgrade, h2c included, is ignored (RFC 9110 §7.8). Pure.
 */
import type { RequestHead } from "../../engine/model/request.js";
import { isWebSocketKey } from "../../wire/websocket/handshake.js";

export type UpgradeFlaw = "malformed" | "version";

export interface UpgradeRequest {
  readonly flaw: UpgradeFlaw | null;
  readonly key: string;
  /** All offers, joined; "" for none. */
  readonly extensions: string;
}

const WEBSOCKET_TOKEN = /(?:^|,)[ \t]*websocket[ \t]*(?:\/|,|$)/i;
const UPGRADE_TOKEN = /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i;

/** Null when nothing of the kind is asked for. */
export function readUpgrade(head: RequestHead): UpgradeRequest | null {
  const fields = { upgrade: "", connection: "", key: "", version: "", extensions: "", keys: 0 };
  const { headers } = head;
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    switch (headers[i]) {
      case "upgrade":
        fields.upgrade = joined(fields.upgrade, value);
        break;
      case "connection":
        fields.connection = joined(fields.connection, value);
        break;
      case "sec-websocket-key":
        fields.key = value;
        fields.keys++;
        break;
      case "sec-websocket-version":
        fields.version = joined(fields.version, value);
        break;
      case "sec-websocket-extensions":
        fields.extensions = joined(fields.extensions, value);
        break;
    }
  }
  if (!WEBSOCKET_TOKEN.test(fields.upgrade) || head.method !== "GET") return null;
  const isSound = UPGRADE_TOKEN.test(fields.connection) && fields.keys === 1 && isWebSocketKey(fields.key) && head.bodyLength === 0;
  const flaw = !isSound ? "malformed" : fields.version === "13" ? null : "version";
  return { flaw, key: fields.key, extensions: fields.extensions };
}

function joined(before: string, value: string): string {
  return before === "" ? value : `${before}, ${value}`;
}
