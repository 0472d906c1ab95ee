/**
 * The children of a node and what they hold, pure: which of them must be read, told by events. ZooKeeper tells a change once, to
 * whoever has read since the last one; so everything that is told of is read again, with the promise to be told of the next.
 */
import { type GatheredEndpoints, gatherEndpoints, type WrittenEndpoint } from "../endpoint-value.js";
import type { EventType, NodeData } from "./messages.js";
import { type NodeRules, readNode } from "./read-endpoint.js";

export class KnownNodes {
  readonly #path: string;
  readonly #rules: NodeRules;
  readonly #nodes = new Map<string, WrittenEndpoint>();
  #listed: ReadonlySet<string> = new Set();
  #mustList = true;
  #mustRead = new Set<string>();

  constructor(path: string, rules: NodeRules) {
    this.#path = path;
    this.#rules = rules;
  }

  event(type: EventType, path: string): void {
    if (path === this.#path) this.mustList();
    else if (type === "dataChanged" || type === "deleted") this.#mustRead.add(path.slice(path.lastIndexOf("/") + 1));
  }

  mustList(): void {
    this.#mustList = true;
  }

  /** The children must be listed: whoever calls will ask now. */
  takeList(): boolean {
    const mustList = this.#mustList;
    this.#mustList = false;
    return mustList;
  }

  list(names: readonly string[]): void {
    this.#listed = new Set(names);
    for (const name of this.#nodes.keys()) if (!this.#listed.has(name)) this.#nodes.delete(name);
    for (const name of names) if (!this.#nodes.has(name)) this.#mustRead.add(name);
  }

  /** The children that must be read: whoever calls will ask now. */
  takeReads(): string[] {
    const names = [...this.#mustRead].filter((name) => this.#listed.has(name));
    this.#mustRead = new Set();
    return names;
  }

  read(name: string, { text, writtenAt }: NodeData): void {
    this.#nodes.set(name, { name, writtenAt, endpoint: readNode(name, text, this.#rules) });
  }

  /** It is gone, and the list is about to change. */
  drop(name: string): void {
    this.#nodes.delete(name);
  }

  gather(): GatheredEndpoints {
    return gatherEndpoints(this.#nodes.values(), "nodes in ZooKeeper");
  }
}
