/** Two carriers of the message contract: the IPC pipe of a forked worker, and a pair of queues within one process. */
import type { ChildProcess, SendHandle } from "node:child_process";
import type { Channel, PrimaryMessage, WorkerMessage } from "./protocol.js";

/** The primary's end. Messages to a worker that has gone are dropped: its successor starts from full state. */
export function childChannel(child: ChildProcess): Channel<PrimaryMessage, WorkerMessage> {
  return {
    send(message, handle) {
      if (child.connected) child.send(message, handle as SendHandle | undefined, {}, () => {});
    },
    onMessage(receive) {
      child.on("message", (message) => receive(message as WorkerMessage));
    },
    onClose(closed) {
      child.once("exit", closed);
    },
  };
}

/** The worker's end, in a process made by `child_process.fork`. */
export function parentChannel(): Channel<WorkerMessage, PrimaryMessage> {
  return {
    send(message) {
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    onMessage(receive) {
      process.on("message", (message, handle) => receive(message as PrimaryMessage, handle as object | undefined));
    },
    onClose(closed) {
      process.once("disconnect", closed);
    },
  };
}

/** Both ends in one process (`--single`). Delivery is asynchronous, as over a pipe. */
export function localChannels(): [Channel<PrimaryMessage, WorkerMessage>, Channel<WorkerMessage, PrimaryMessage>] {
  let toWorker: (message: PrimaryMessage, handle?: object) => void = () => {};
  let toPrimary: (message: WorkerMessage) => void = () => {};
  return [
    {
      send: (message, handle) => void setImmediate(() => toWorker(message, handle)),
      onMessage(receive) {
        toPrimary = receive;
      },
      onClose: () => {},
    },
    {
      send: (message) => void setImmediate(() => toPrimary(message)),
      onMessage(receive) {
        toWorker = receive;
      },
      onClose: () => {},
    },
  ];
}
