/** One Observer out of several: the proxy knows only one. */
import type { Observer } from "../proxy/ports.js";

export function combineObservers(...observers: readonly Observer[]): Observer {
  return {
    onAccept(listenerName) {
      for (const observer of observers) observer.onAccept(listenerName);
    },
    onComplete(record) {
      for (const observer of observers) observer.onComplete(record);
    },
  };
}
