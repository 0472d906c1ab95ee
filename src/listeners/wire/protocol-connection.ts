/** What a connection is once its protocol is known, and what that protocol may ask of the connection below it. */
import type { Latin1Bytes } from "../../wire/http1/bytes.js";

export interface ProtocolConnection {
  /** `bytes` belong to the receiver. */
  receive(bytes: Latin1Bytes): void;
  /** The socket has taken all it was given. */
  onDrain(): void;
  /** The client will send nothing more. */
  onEnd(): void;
  /** The socket is gone. Last call. */
  onClose(): void;
  /** The gateway stops: what is idle ends now, the rest when its exchanges are over. */
  drain(): void;
  /** An exchange is under way, or its last bytes wait for the client. */
  readonly isBusy: boolean;
}

export interface SocketOwner {
  /** `performance.now()` from which on the connection should end with its next response. */
  readonly oldAtMs: number;
  /** Closes at once. */
  destroy(): void;
  /** Closes with a reset: whoever reads on knows that something is missing. */
  cut(): void;
}
