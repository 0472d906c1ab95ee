/**
 * Copies what a request says out of uWebSockets.js while that is allowed: the request object is dead once the handler
 * has returned. One pass over the fields; the addon keeps wire order and duplicates and lower-cases names.
 */
import type { HeaderList } from "../../engine/model/request.js";
import type { HeadPolicy } from "../head-rules.js";
import type { UwsRequest, UwsResponse } from "./addon.js";
import { type GateVerdict, gate } from "./gate.js";
import { textOfAddress } from "./remote-address.js";

let collected: HeaderList = [];

// One function for all requests instead of one per request: `forEach` calls it synchronously.
function collect(name: string, value: string): void {
  collected.push(name, value);
}

export function readRequest(req: UwsRequest, res: UwsResponse, policy: HeadPolicy): GateVerdict {
  const headers: HeaderList = [];
  collected = headers;
  req.forEach(collect);
  // `getMethod` would lower-case the buffer in place.
  const verdict = gate(req.getCaseSensitiveMethod(), req.getUrl(), req.getQuery(), headers, policy);
  verdict.head.remoteAddress = textOfAddress(res.getRemoteAddress());
  return verdict;
}
