/**
 * One accepted socket, from the first byte to its protocol: PROXY header, TLS handshake, then HTTP/1 or HTTP/2 as ALPN or the
 * first bytes say. It owns the socket's events; what they mean is the protocol's business once there is one.
 */
import { isIPv6, type Socket } from "node:net";
import type { PeerIdentity } from "../../engine/model/request.js";
import type { ConnectionRefusal } from "../../proxy/ports.js";
import type { Latin1Bytes } from "../../wire/http1/bytes.js";
import type { ProxyHeader } from "../../wire/proxy-protocol/header.js";
import { ProxyProtocolParser } from "../../wire/proxy-protocol/parser.js";
import type { Client } from "./client.js";
import { Deadline } from "./deadline.js";
import { readDirectly } from "./direct-reads.js";
import { Http1Connection } from "./http1-connection.js";
import { Http2Session } from "./http2-session.js";
import type { ProtocolConnection, SocketOwner } from "./protocol-connection.js";
import type { HandshakeOutcome, TlsAcceptor } from "./tls-acceptor.js";
import type { WireContext } from "./wire-context.js";

/** The listener. */
export interface ConnectionOwner {
  readonly context: WireContext;
  /** Null for `h2c`. */
  readonly tls: TlsAcceptor | null;
  isTrusted(address: string): boolean;
  handshakeStarted(connection: Connection): void;
  handshakeEnded(connection: Connection): void;
  refused(reason: ConnectionRefusal, detail: string): void;
  closed(connection: Connection): void;
}

/** No request begins with it but the preface of HTTP/2 (RFC 9113 §11.6 reserves the method). */
const HTTP2_BEGINNING = "PRI ";

export class Connection implements SocketOwner {
  readonly oldAtMs: number;
  readonly #owner: ConnectionOwner;
  readonly #context: WireContext;
  readonly #raw: Socket;
  readonly #deadline: Deadline;
  #protocol: ProtocolConnection | null = null;
  #address: string;
  /** First bytes that do not say yet which protocol it is. */
  #beginning: Latin1Bytes | null = null;
  #isDraining = false;
  #isShakingHands = false;
  #isRefused = false;

  constructor(raw: Socket, owner: ConnectionOwner) {
    this.#raw = raw;
    this.#owner = owner;
    this.#context = owner.context;
    this.#address = canonicalAddress(raw.remoteAddress);
    this.oldAtMs = oldAt(owner.context.spec.timeouts.connectionAgeMs);
    this.#deadline = new Deadline(owner.context.timers, () => this.destroy());
    raw.on("error", ignore);
    raw.once("close", () => this.#onClosed());
  }

  get isBusy(): boolean {
    return this.#protocol?.isBusy === true;
  }

  start(): void {
    const { proxyProtocol } = this.#context.wire;
    if (proxyProtocol === "off") return this.#secure();
    if (this.#owner.isTrusted(this.#address)) return this.#readProxyHeader();
    if (proxyProtocol === "optional") return this.#secure();
    this.#owner.refused("proxy-header", "");
    this.destroy();
  }

  drain(): void {
    this.#isDraining = true;
    this.#protocol?.drain();
  }

  destroy(): void {
    this.#raw.destroy();
  }

  /** The reason has been counted. */
  refuse(): void {
    this.#isRefused = true;
    this.#raw.destroy();
  }

  /** With its exchanges, which hear of it before this returns. */
  kill(): void {
    this.#protocol?.onClose();
    this.cut();
  }

  cut(): void {
    this.#raw.resetAndDestroy();
  }

  // ── PROXY header ─────────────────────────────────────────────────────────────────────────────────────────────

  /** From a trusted peer it must come: were it left to the bytes, its clients could choose their address. */
  #readProxyHeader(): void {
    const parser = new ProxyProtocolParser();
    const raw = this.#raw;
    const onData = (chunk: Buffer): void => {
      const at = parser.feed(chunk, 0, chunk.length);
      if (parser.refusal !== null) {
        this.#owner.refused("proxy-header", parser.refusal);
        return this.destroy();
      }
      if (parser.header === null) return;
      raw.pause();
      raw.off("data", onData);
      raw.off("end", this.#onEndedEarly);
      if (at < chunk.length) raw.unshift(chunk.subarray(at));
      this.#onProxyHeader(parser.header);
    };
    this.#deadline.set(this.#context.wire.requestHeaderMs);
    raw.on("data", onData);
    raw.once("end", this.#onEndedEarly);
  }

  #onProxyHeader(header: ProxyHeader): void {
    this.#deadline.clear();
    if (!header.isLocal) this.#address = canonicalAddress(header.sourceAddress);
    this.#secure();
    if (this.#owner.tls === null) this.#raw.resume();
  }

  // ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #secure(): void {
    const { tls } = this.#owner;
    if (tls === null) return this.#sniff();
    this.#isShakingHands = true;
    this.#owner.handshakeStarted(this);
    this.#deadline.set(this.#context.wire.tls?.handshakeMs ?? 0);
    tls.accept(this.#raw, (outcome) => this.#onHandshake(tls, outcome));
  }

  #onHandshake(tls: TlsAcceptor, outcome: HandshakeOutcome): void {
    this.#isShakingHands = false;
    this.#owner.handshakeEnded(this);
    if (!outcome.ok) {
      this.#owner.refused("handshake", outcome.detail);
      this.destroy();
      return;
    }
    const { socket, peer } = outcome;
    const serverName = typeof socket.servername === "string" ? socket.servername : "";
    const client = this.#client(peer, (authority) => tls.isMisdirected(serverName, authority));
    this.#serve(socket, client, socket.alpnProtocol === "h2");
  }

  // ── Plain ────────────────────────────────────────────────────────────────────────────────────────────────────

  #sniff(): void {
    this.#deadline.set(this.#context.wire.keepAliveMs);
    this.#raw.on("data", this.#onFirstBytes);
    this.#raw.once("end", this.#onEndedEarly);
  }

  readonly #onEndedEarly = (): void => this.destroy();

  readonly #onFirstBytes = (chunk: Buffer): void => {
    const before = this.#beginning;
    const bytes = (before === null ? chunk : Buffer.concat([before, chunk])) as Buffer & Latin1Bytes;
    const text = bytes.latin1Slice(0, Math.min(bytes.length, HTTP2_BEGINNING.length));
    const isHttp2 = text === HTTP2_BEGINNING;
    if (!isHttp2 && HTTP2_BEGINNING.startsWith(text)) {
      this.#beginning = bytes;
      if (before === null) this.#deadline.set(this.#context.wire.requestHeaderMs);
      return;
    }
    this.#raw.off("data", this.#onFirstBytes);
    this.#raw.off("end", this.#onEndedEarly);
    this.#serve(this.#raw, this.#client(null, isNever), isHttp2);
    this.#protocol?.receive(bytes);
  };

  // ── Serving ──────────────────────────────────────────────────────────────────────────────────────────────────

  #client(peer: PeerIdentity | null, isMisdirected: (authority: string) => boolean): Client {
    const { localAddress = "", localPort } = this.#raw;
    const local = canonicalAddress(localAddress);
    const localAuthority = `${isIPv6(local) ? `[${local}]` : local}:${localPort}`;
    return { address: this.#address, localAuthority, peer, isMisdirected };
  }

  #serve(socket: Socket, client: Client, isHttp2: boolean): void {
    this.#deadline.stop();
    const Protocol = isHttp2 ? Http2Session : Http1Connection;
    const protocol: ProtocolConnection = new Protocol(socket, this, client, this.#context);
    this.#protocol = protocol;
    if (socket !== this.#raw) socket.on("error", ignore);
    socket.on("drain", () => protocol.onDrain());
    socket.on("end", () => protocol.onEnd());
    readDirectly(socket, (chunk) => protocol.receive(chunk as Buffer & Latin1Bytes));
    if (this.#isDraining) protocol.drain();
  }

  #onClosed(): void {
    this.#deadline.stop();
    // The client left, or took too long.
    if (this.#isShakingHands && !this.#isRefused) this.#owner.refused("handshake", "");
    this.#owner.handshakeEnded(this);
    this.#protocol?.onClose();
    this.#owner.closed(this);
  }
}

/** Between three quarters of the age and all of it, so that what opened together does not close together. */
function oldAt(ageMs: number): number {
  return ageMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + ageMs * (0.75 + Math.random() / 4);
}

/** IPv4 addresses that a dual-stack socket shows as IPv6 are unwrapped. */
export function canonicalAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

/** `close` follows. */
function ignore(): void {}

function isNever(): false {
  return false;
}
