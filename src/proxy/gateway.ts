/** The parts of a worker that its exchanges share, and the two facts about them that a drain reads and sets. */

import type { Connector, Observer, Timers } from "./ports.js";
import type { WebSocketRelay } from "./web-socket-relay.js";

/** Who may be told how a request was decided. */
export interface ExplainGate {
  opensFor(token: string): boolean;
}

export interface Gateway {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly observer: Observer;
  readonly explain: ExplainGate;
  /** Reports what must be a bug of ours; the exchange itself answers 500. */
  readonly onBug: (error: unknown) => void;
  /** Exchanges under way; a drain waits for none. */
  active: number;
  isDraining: boolean;
  /** Open now. */
  readonly webSockets: Set<WebSocketRelay>;
  /** The drain is over: connections that are still open are being cut by us. */
  isClosing: boolean;
}
