/**
 * A setting of the kernel that decides what replacing workers costs on `http` and `https` listeners. Each of their workers has a
 * listening socket of its own; when one closes, the kernel resets the handshakes under way on it, unless it may pass them on.
 */
import { readFileSync } from "node:fs";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import type { ProcessLog } from "../telemetry/process-log.js";

const MIGRATE_REQUESTS = "/proc/sys/net/ipv4/tcp_migrate_req";

let hasSaid = false;

/** Says once what an operator can set; nothing when it is set, or there is nothing to set. */
export function adviseAboutHandshakes(listeners: readonly ListenerSpec[], log: Pick<ProcessLog, "info">): void {
  if (hasSaid || listeners.every(({ wire }) => wire !== null) || readSetting() !== "0") return;
  hasSaid = true;
  log.info(
    "workers are replaced: connections whose handshake is under way at that moment on http and https listeners are reset by the kernel; " +
      "sysctl -w net.ipv4.tcp_migrate_req=1 lets the other workers have them",
  );
}

/** Null where there is none: an older kernel, or another one. */
function readSetting(): string | null {
  try {
    return readFileSync(MIGRATE_REQUESTS, "latin1").trim();
  } catch {
    return null;
  }
}
