/** Settings that only `h2` and `h2c` listeners carry out: written anywhere else, they would promise what does not happen. */
import type { DocumentPath } from "../problems.js";
import { isWireProtocol } from "../schema/listener.js";
import type { CheckContext } from "./check-document.js";
import type { ListenerDraft } from "./check-listeners.js";
import type { Checker } from "./checker.js";
import { readRoots } from "./read-text.js";

const TLS_SETTINGS: readonly DocumentPath[] = [
  ["tls", "clientAuth"],
  ["tls", "minVersion"],
  ["timeouts", "handshake"],
  ["limits", "maxHandshakes"],
];
const CONNECTION_SETTINGS: readonly DocumentPath[] = [
  ["proxyProtocol"],
  ["http2"],
  ["timeouts", "requestHeader"],
  ["timeouts", "keepAlive"],
  ["limits", "maxHeaderFields"],
];

export function checkWireSettings(listener: ListenerDraft, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const { protocol } = listener;
  if (protocol === undefined) return;
  if (!isWireProtocol(protocol)) {
    refuseWritten([...CONNECTION_SETTINGS, ...TLS_SETTINGS], path, checker, "is possible on h2 and h2c listeners only");
    return;
  }
  if (protocol === "h2c") refuseWritten(TLS_SETTINGS.slice(2), path, checker, "has no effect without TLS");
  checkProxyProtocol(listener, path, checker);
  readRoots([...path, "tls", "clientAuth", "ca"], listener.tls?.clientAuth?.ca, context);
  if (checker.isWritten([...path, "webSocket"]))
    checker.warn([...path, "webSocket"], "has no effect: h2 and h2c listeners do not carry WebSockets yet");
}

function refuseWritten(settings: readonly DocumentPath[], path: DocumentPath, checker: Checker, message: string): void {
  for (const setting of settings) {
    if (checker.isWritten([...path, ...setting])) checker.error([...path, ...setting], message);
  }
}

function checkProxyProtocol(listener: ListenerDraft, path: DocumentPath, checker: Checker): void {
  const isOn = listener.proxyProtocol === "optional" || listener.proxyProtocol === "required";
  if (!isOn || checker.isWritten([...path, "trustedProxies"])) return;
  checker.error([...path, "proxyProtocol"], "needs trustedProxies", "name the load balancers in front: nobody else is believed");
}
