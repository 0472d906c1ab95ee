/** What the peer's SETTINGS say (RFC 9113 §6.5.2, RFC 8441 §3), with the values that hold until they come. */

export interface PeerSettings {
  readonly headerTableBytes: number;
  readonly maxConcurrentStreams: number;
  readonly initialWindowBytes: number;
  /** What the peer is ready to take as a header list; advice, not enforced here. */
  readonly maxListBytes: number;
  /** RFC 8441. */
  readonly allowsExtendedConnect: boolean;
  /** False until its first SETTINGS frame. */
  readonly isKnown: boolean;
}
