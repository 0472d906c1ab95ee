/**
 * TLS of one listener: certificates by SNI, ALPN, client certificates, session tickets. Built anew for every change of these
 * (handshakes under way finish on the old one), so nothing is ever altered while it is in use.
 */
import { constants, createHash } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { PeerIdentity } from "../../engine/model/request.js";
import type { ListenerSpec, WireTlsSpec } from "../../engine/model/snapshot.js";
import { CertificateChoice, hostOf } from "./certificate-choice.js";
import { isValidAt, peerIdentity } from "./peer-identity.js";

/** ECDHE with AEAD only. Without the names of TLS 1.3 in the list, Node would switch that off. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");
const CURVES = "X25519:P-256:P-384";

export type HandshakeOutcome =
  | { readonly ok: true; readonly socket: TLSSocket; readonly peer: PeerIdentity | null }
  /** The socket is closed. `detail` is for the log. */
  | { readonly ok: false; readonly detail: string };

export interface TlsAcceptor {
  /** Calls back once, unless the socket closes before. Whoever waits for it sets the deadline. */
  accept(socket: Socket, done: (outcome: HandshakeOutcome) => void): void;
  /** The client named one host in the handshake and another in the request, and they have different certificates. */
  isMisdirected(serverName: string, authority: string): boolean;
}

/**
 * @param ticketKeys 48 bytes, the same in all workers; null: each its own
 * Throws when a certificate or a root cannot be used.
 */
export function createTlsAcceptor(spec: ListenerSpec, wireTls: WireTlsSpec, ticketKeys: Buffer | null): TlsAcceptor {
  return new Acceptor(spec, wireTls, ticketKeys);
}

class Acceptor implements TlsAcceptor {
  readonly #server: Server;
  readonly #choice: CertificateChoice;
  readonly #waiting = new Map<string, (outcome: HandshakeOutcome) => void>();
  readonly #isClientRequired: boolean;

  constructor(spec: ListenerSpec, wireTls: WireTlsSpec, ticketKeys: Buffer | null) {
    const { clientAuth, pems } = wireTls;
    const [first] = pems;
    if (first === undefined) throw new Error(`listener ${spec.name} has no certificate`);
    this.#choice = new CertificateChoice((spec.tls?.certificates ?? []).map(({ names }) => names));
    this.#isClientRequired = clientAuth?.isRequired === true;
    const shared = sharedOptions(spec, wireTls, ticketKeys);
    const contexts = pems.map((pem) => createSecureContext({ ...shared, ...pem }));
    this.#server = createServer({
      ...shared,
      ...first,
      ALPNProtocols: ["h2", "http/1.1"],
      requestCert: clientAuth !== null,
      rejectUnauthorized: this.#isClientRequired,
      SNICallback: (name, done) => done(null, this.#contextFor(contexts, name)),
      // The listener's own clock covers the handshake; this one would keep a timer of its own for each.
      handshakeTimeout: 2 ** 31 - 1,
    });
    this.#server.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#settle(socket, { ok: false, detail: error.message }));
  }

  accept(socket: Socket, done: (outcome: HandshakeOutcome) => void): void {
    const key = connectionKey(socket);
    this.#waiting.set(key, done);
    socket.once("close", () => {
      if (this.#waiting.get(key) === done) this.#waiting.delete(key);
    });
    this.#server.emit("connection", socket);
  }

  isMisdirected(serverName: string, authority: string): boolean {
    return serverName !== "" && this.#choice.indexFor(hostOf(authority)) !== this.#choice.indexFor(serverName.toLowerCase());
  }

  #contextFor(contexts: readonly SecureContext[], name: string): SecureContext {
    return contexts[this.#choice.indexFor(name.toLowerCase())] as SecureContext;
  }

  #onSecure(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return this.#settle(socket, this.#withoutCertificate(socket));
    if (socket.authorized && isValidAt(certificate, Date.now())) {
      return this.#settle(socket, { ok: true, socket, peer: peerIdentity(certificate) });
    }
    const reason = socket.authorizationError;
    socket.destroy();
    this.#settle(socket, { ok: false, detail: `the client's certificate is not valid: ${reason ?? "expired"}` });
  }

  #withoutCertificate(socket: TLSSocket): HandshakeOutcome {
    if (!this.#isClientRequired) return { ok: true, socket, peer: null };
    socket.destroy();
    return { ok: false, detail: "the client has no certificate" };
  }

  /** Node does not say which of the sockets that it was given became this one; its two addresses do. */
  #settle(socket: TLSSocket, outcome: HandshakeOutcome): void {
    const key = connectionKey(socket);
    const done = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (done !== undefined) done(outcome);
    else socket.destroy();
  }
}

function sharedOptions(spec: ListenerSpec, { clientAuth, minVersion }: WireTlsSpec, ticketKeys: Buffer | null): SecureContextOptions {
  return {
    minVersion,
    ciphers: CIPHERS,
    ecdhCurve: CURVES,
    honorCipherOrder: true,
    // Renegotiation (TLS 1.2) is work for us at no cost for the client, and a way to change who it is.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // A session of another listener, or of other roots, must not stand in for a certificate.
    sessionIdContext: createHash("sha256")
      .update(`${spec.name}\0${clientAuth?.caPem ?? ""}`)
      .digest("hex")
      .slice(0, 32),
    ...(clientAuth === null ? {} : { ca: clientAuth.caPem }),
    ...(ticketKeys === null ? {} : { ticketKeys }),
  };
}

function connectionKey({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
