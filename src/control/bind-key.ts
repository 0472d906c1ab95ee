/** What makes a listening socket the same one, before and after a change of the configuration or of the primary. */
import type { ListenerSpec } from "../engine/model/snapshot.js";

/** Ports that are bound already, by `bindKey`. */
export type KnownPorts = Readonly<Record<string, number>>;

/** A listener that keeps its name and address keeps its port, also when it was chosen by the system. */
export function bindKey({ name, bind }: Pick<ListenerSpec, "name" | "bind">): string {
  return bind.port === 0 ? `${bind.host}:0 ${name}` : `${bind.host}:${bind.port}`;
}
