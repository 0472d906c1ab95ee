/**
 * Opens the TCP or TLS socket of one connection. Reads go into one buffer that all sockets of a kind share: the receiver
 * borrows it for the duration of the callback, and no read callback runs inside another one of the same kind.
 */

import type { Socket } from "node:net";
import { connect as connectTcp, isIP } from "node:net";
import type { ConnectionOptions, PeerCertificate, SecureContext } from "node:tls";
import { checkServerIdentity, connect as connectTls, createSecureContext } from "node:tls";
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Latin1Bytes } from "../wire/http1/bytes.js";

/** As large as a read from the kernel gets in libuv. */
export const READ_BUFFER_BYTES = 65_536;

export type ReadBuffer = Buffer & Latin1Bytes;

/** Called with the number of bytes now in the shared buffer. */
export type OnRead = (byteCount: number, buffer: ReadBuffer) => boolean;

/** A socket and who is told of what it reads; that may change with who uses it. */
export interface OpenedSocket {
  readonly socket: Socket;
  onRead: OnRead;
}

/** What the TLS connections to one target share. The CA file is parsed once, sessions are resumed. */
export interface TlsClient {
  readonly serverName: string;
  readonly isVerified: boolean;
  readonly secureContext: SecureContext;
  /** The latest one; Node gives it out only once the peer is verified. */
  session: Buffer | undefined;
}

const plainBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES) as ReadBuffer;
/** Its own, because a plain read may lead to a write on a TLS socket, and OpenSSL may find cleartext on that occasion. */
const tlsBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES) as ReadBuffer;

/** Throws when the CA bundle cannot be parsed. */
export function createTlsClient(tls: NonNullable<UpstreamTarget["tls"]>, host: string): TlsClient {
  const ca = tls.caPem === "" ? {} : { ca: tls.caPem };
  return {
    serverName: tls.serverName === "" ? host : tls.serverName,
    isVerified: tls.isVerified,
    secureContext: createSecureContext({ ...ca, minVersion: "TLSv1.2" }),
    session: undefined,
  };
}

export interface OpenOptions {
  /** Null for plain TCP. */
  readonly tls: TlsClient | null;
  /** Protocols offered in the TLS handshake (RFC 7301). */
  readonly alpn: readonly string[];
  readonly onRead: OnRead;
}

/** Host names are resolved by the socket (a thread of libuv's pool): only when connecting, never per request. Throws on a bad port. */
export function openSocket(target: UpstreamTarget, { tls, alpn, onRead }: OpenOptions): OpenedSocket {
  const reader = { onRead };
  const read: OnRead = (byteCount, buffer) => reader.onRead(byteCount, buffer);
  const socket = tls === null ? openPlain(target, read) : openTls(target, { tls, alpn, onRead: read });
  socket.setNoDelay(true);
  return Object.assign(reader, { socket });
}

function openPlain(target: UpstreamTarget, onRead: OnRead): Socket {
  const onread = { buffer: plainBuffer, callback: onRead as (byteCount: number, buffer: Uint8Array) => boolean };
  return connectTcp({ host: target.host, port: target.port, onread });
}

function openTls(target: UpstreamTarget, { tls, alpn, onRead }: OpenOptions & { readonly tls: TlsClient }): Socket {
  const options: ConnectionOptions & { onread: object } = {
    host: target.host,
    port: target.port,
    secureContext: tls.secureContext,
    ALPNProtocols: [...alpn],
    rejectUnauthorized: tls.isVerified,
    // The name we were told to expect, whatever address it has; SNI must not carry an address (RFC 6066 §3).
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(tls.serverName, certificate),
    onread: { buffer: tlsBuffer, callback: onRead },
  };
  if (isIP(tls.serverName) === 0) options.servername = tls.serverName;
  if (tls.session !== undefined) options.session = tls.session;
  const socket = connectTls(options);
  socket.on("session", (session: Buffer) => {
    tls.session = session;
  });
  return socket;
}
