/**
 * Joins the two ends of an upgraded exchange: messages, pings and closes cross over, a slow end brakes the other (a client
 * that cannot be braked loses its connection when too much waits for its service), and an end that has fallen silent is found out. Ends exactly once.
 *
 * Pings cross over so that each end tests the other and not the gateway. The client's are also answered by the listener
 * (uWebSockets.js does that by itself, and all listeners are alike), so the service's pong to such a ping goes no further; of the client's pongs only the
 * one that answers the service's latest ping is passed on (RFC 6455 §5.5.3 lets an endpoint skip older ones).
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { WebSocketSpec } from "../engine/model/snapshot.js";
import type { Timer, Timers } from "./ports.js";
import type { UpstreamWebSocket, WebSocketEnd, WebSocketEvents } from "./web-socket-ports.js";

export interface RelayOwner {
  /** Called once. `code` is "" when both ends closed as they should. */
  relayEnded(code: ErrorCode | "", detail: string, closeCode: number): void;
}

const GOING_AWAY = 1001;
/** The connection ended without a close frame; never sent. */
const ABNORMAL = 1006;
const INTERNAL_ERROR = 1011;
const TRY_AGAIN_LATER = 1013;
const NOTHING = new Uint8Array(0);

export class WebSocketRelay {
  /** Payload bytes. */
  bytesFromClient = 0;
  bytesFromService = 0;
  readonly clientEvents: WebSocketEvents = new ClientEvents(this);
  readonly #owner: RelayOwner;
  readonly #spec: WebSocketSpec;
  readonly #service: UpstreamWebSocket;
  #client: WebSocketEnd | null = null;
  readonly #watch: Timer;
  readonly #age: Timer;
  #isServicePaused = false;
  #hasServiceMoved = false;
  #isServiceAsked = false;
  /** The service's latest ping, while the client has not answered it. */
  #openPing: Uint8Array | null = null;
  #isOver = false;

  constructor(owner: RelayOwner, spec: WebSocketSpec, service: UpstreamWebSocket, timers: Timers) {
    this.#owner = owner;
    this.#spec = spec;
    this.#service = service;
    this.#watch = timers.create(() => this.#onWatch());
    this.#age = timers.create(() => this.close("", "the connection reached its maximum age"));
  }

  start(client: WebSocketEnd): void {
    this.#client = client;
    const { idleMs, maxAgeMs, maxMessageBytes } = this.#spec;
    if (idleMs > 0) this.#watch.arm(idleMs / 2);
    if (maxAgeMs > 0) this.#age.arm(maxAgeMs);
    this.#service.open(new ServiceEvents(this), maxMessageBytes);
  }

  /** The gateway ends it, in good order: both ends are told to go (1001). */
  close(code: ErrorCode | "", detail: string): void {
    if (this.#isOver) return;
    this.#client?.close(GOING_AWAY, NOTHING);
    this.#service.close(GOING_AWAY, NOTHING);
    this.#end(code, detail, GOING_AWAY);
  }

  /** Something failed: both ends are cut. */
  abort(code: ErrorCode, detail: string): void {
    this.#client?.abort();
    this.#service.abort();
    this.#end(code, detail, ABNORMAL);
  }

  // ── the client says ────────────────────────────────────────────────────────────────────────────────────────────

  clientMessage(data: Uint8Array, isBinary: boolean): void {
    this.bytesFromClient += data.length;
    if (this.#service.send(data, isBinary)) return;
    if (this.#client?.canPause === true) return this.#client.pause();
    if (this.#service.waitingBytes <= this.#spec.maxQueueBytes) return;
    this.#client?.close(TRY_AGAIN_LATER, NOTHING);
    this.#service.abort();
    this.#end("upstream-overflow", "the service does not take the client's messages", TRY_AGAIN_LATER);
  }

  clientPing(data: Uint8Array): void {
    this.#service.ping(data);
  }

  clientPong(data: Uint8Array): void {
    if (this.#openPing === null || Buffer.compare(this.#openPing, data) !== 0) return;
    this.#openPing = null;
    this.#service.pong(data);
  }

  clientDrain(): void {
    if (!this.#isServicePaused) return;
    this.#isServicePaused = false;
    this.#service.resume();
  }

  clientClose(code: number, reason: Uint8Array): void {
    this.#service.close(code, reason);
    this.#end("", "", code);
  }

  clientAbort(code: ErrorCode, detail: string): void {
    this.#service.abort();
    this.#end(code, detail, ABNORMAL);
  }

  // ── the service says ───────────────────────────────────────────────────────────────────────────────────────────

  serviceMessage(data: Uint8Array, isBinary: boolean): void {
    this.#hasServiceMoved = true;
    this.bytesFromService += data.length;
    if (this.#client?.send(data, isBinary) !== false) return;
    this.#isServicePaused = true;
    this.#service.pause();
  }

  servicePing(data: Uint8Array): void {
    this.#hasServiceMoved = true;
    this.#openPing = Uint8Array.from(data);
    this.#client?.ping(data);
  }

  serviceDrain(): void {
    this.#client?.resume();
  }

  servicePong(): void {
    this.#hasServiceMoved = true;
  }

  serviceClose(code: number, reason: Uint8Array): void {
    this.#client?.close(code, reason);
    this.#end("", "", code);
  }

  /** A service that vanished cannot be told from here by anything but the same; one that broke the rules is named. */
  serviceAbort(code: ErrorCode, detail: string): void {
    const isBroken = code === "upstream-protocol";
    if (isBroken) this.#client?.close(INTERNAL_ERROR, NOTHING);
    else this.#client?.abort();
    this.#end(code, detail, isBroken ? INTERNAL_ERROR : ABNORMAL);
  }

  // ── time, end ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The listener looks after a silent client; here only the service is asked whether it is still there. */
  #onWatch(): void {
    if (this.#hasServiceMoved || this.#isServicePaused) this.#isServiceAsked = false;
    else if (this.#isServiceAsked) return this.abort("upstream-timeout", "the service did not answer a ping within webSocket.idleTimeout");
    else {
      this.#isServiceAsked = true;
      this.#service.ping(NOTHING);
    }
    this.#hasServiceMoved = false;
    this.#watch.arm(this.#spec.idleMs / 2);
  }

  #end(code: ErrorCode | "", detail: string, closeCode: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.cancel();
    this.#age.cancel();
    this.#owner.relayEnded(code, detail, closeCode);
  }
}

class ClientEvents implements WebSocketEvents {
  readonly #relay: WebSocketRelay;

  constructor(relay: WebSocketRelay) {
    this.#relay = relay;
  }

  onMessage(data: Uint8Array, isBinary: boolean): void {
    this.#relay.clientMessage(data, isBinary);
  }

  onPing(data: Uint8Array): void {
    this.#relay.clientPing(data);
  }

  onPong(data: Uint8Array): void {
    this.#relay.clientPong(data);
  }

  onDrain(): void {
    this.#relay.clientDrain();
  }

  onClose(code: number, reason: Uint8Array): void {
    this.#relay.clientClose(code, reason);
  }

  onAbort(code: ErrorCode, detail: string): void {
    this.#relay.clientAbort(code, detail);
  }
}

class ServiceEvents implements WebSocketEvents {
  readonly #relay: WebSocketRelay;

  constructor(relay: WebSocketRelay) {
    this.#relay = relay;
  }

  onMessage(data: Uint8Array, isBinary: boolean): void {
    this.#relay.serviceMessage(data, isBinary);
  }

  onPing(data: Uint8Array): void {
    this.#relay.servicePing(data);
  }

  onPong(): void {
    this.#relay.servicePong();
  }

  onDrain(): void {
    this.#relay.serviceDrain();
  }

  onClose(code: number, reason: Uint8Array): void {
    this.#relay.serviceClose(code, reason);
  }

  onAbort(code: ErrorCode, detail: string): void {
    this.#relay.serviceAbort(code, detail);
  }
}
