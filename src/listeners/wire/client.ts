/** Who is at the other end of a connection, known once it is ready for requests. */
import type { PeerIdentity } from "../../engine/model/request.js";

export interface Client {
  /** Canonical text; of the PROXY header when there was one. */
  readonly address: string;
  /** What a request without a Host is for (HTTP/1.0): where the connection arrived, `host:port`. */
  readonly localAuthority: string;
  readonly peer: PeerIdentity | null;
  /** Another certificate than the one in use would have been chosen for this host (RFC 9110 §15.5.20). */
  isMisdirected(authority: string): boolean;
}
