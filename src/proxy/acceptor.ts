/** Where a listener hands over its requests: one exchange each, on the runtime of the moment. */
import type { ErrorCode } from "../engine/model/errors.js";
import type { RequestHead } from "../engine/model/request.js";
import { Exchange } from "./exchange.js";
import type { Gateway } from "./gateway.js";
import type { Acceptor, Downstream, DownstreamHandler } from "./ports.js";
import type { ListenerRuntime, RuntimeSource } from "./runtime.js";

/** @param instance names this gateway in Via, the same in all its workers, so that a loop is recognised */
export function createAcceptor(listenerName: string, source: RuntimeSource, gateway: Gateway, instance: string): Acceptor {
  const via = `windrose-${instance}-${listenerName}`;
  const open = (head: RequestHead, downstream: Downstream): Exchange => {
    const runtime = source.current;
    const listener = runtime.listeners.get(listenerName) as ListenerRuntime;
    gateway.observer.onAccept(listenerName);
    return new Exchange(gateway, runtime, listener, head, downstream);
  };
  return {
    get isDraining(): boolean {
      return gateway.isDraining;
    },
    accept(head: RequestHead, downstream: Downstream): DownstreamHandler {
      const exchange = open(head, downstream);
      try {
        exchange.begin(via);
      } catch (error) {
        exchange.bug(error);
      }
      return exchange;
    },
    refuse(head: RequestHead, downstream: Downstream, code: ErrorCode, detail: string): DownstreamHandler {
      const exchange = open(head, downstream);
      try {
        exchange.refuse(code, detail, via);
      } catch (error) {
        exchange.bug(error);
      }
      return exchange;
    },
  };
}
