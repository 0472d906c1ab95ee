/** What a PROXY protocol header says, and every reason for which it is refused. */

export interface ProxyHeader {
  /**
   * The header names no addresses, and those of the connection itself count: LOCAL (the proxy's own health checks), UNKNOWN, or
   * a family that is not TCP over IP. Then addresses are "" and ports 0.
   */
  readonly isLocal: boolean;
  /** In canonical form: dotted decimal, or RFC 5952. */
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

export const LOCAL_HEADER: ProxyHeader = Object.freeze({
  isLocal: true,
  sourceAddress: "",
  sourcePort: 0,
  destinationAddress: "",
  destinationPort: 0,
});

/** A connection whose header is refused must be closed: nobody knows where its bytes begin or who sent them. */
export type ProxyRefusal =
  /** The first bytes are of neither version. */
  | "not-proxy-protocol"
  // Version 1.
  | "line-too-long"
  | "bare-cr"
  | "bare-lf"
  | "bad-protocol"
  | "bad-line"
  | "bad-address"
  | "bad-port"
  // Version 2.
  | "bad-version"
  | "bad-command"
  | "bad-family"
  | "header-too-large"
  /** It announces less than its addresses take. */
  | "header-too-short"
  /** A TLV that does not end where the header does, or that may not be there. */
  | "bad-extension"
  | "bad-checksum";

/** A reader of one version: each takes the header from its first byte on. */
export interface VersionReader {
  readonly header: ProxyHeader | null;
  readonly refusal: ProxyRefusal | null;
  /** Returns the offset of the first byte that it did not take. */
  feed(bytes: Uint8Array, start: number, end: number): number;
}
