/** The parts of a worker that its exchanges share, and the two facts about them that a drain reads and sets. */

import type { Connector, Observer, Timers } from "./ports.js";
import type { WebSocketRelay } from "./web-socket-relay.js";

export interface Gateway {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly observer: Observer;
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
