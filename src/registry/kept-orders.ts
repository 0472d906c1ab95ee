/** Orders that were carried out here and of which the store has still to hear; they outlive the registry that took them. */
import { randomBytes } from "node:crypto";
import type { Order } from "./instance.js";

export interface KeptOrder {
  /** The same when the store is asked again. */
  readonly id: string;
  readonly order: Order;
}

export interface KeptOrders {
  readonly count: number;
  has(key: string): boolean;
  /** Oldest first; at most a registration and one order after it. */
  of(key: string): readonly KeptOrder[];
  add(key: string, order: Order, id?: string): void;
  take(key: string): readonly KeptOrder[];
  /** Taken and not heard of; what was ordered since counts more. */
  giveBack(key: string, orders: readonly KeptOrder[]): void;
  clear(): void;
}

export function createKeptOrders(): KeptOrders {
  return new Kept();
}

export function newOrderId(): string {
  return randomBytes(9).toString("base64url");
}

class Kept implements KeptOrders {
  readonly #byKey = new Map<string, readonly KeptOrder[]>();

  get count(): number {
    return this.#byKey.size;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  of(key: string): readonly KeptOrder[] {
    return this.#byKey.get(key) ?? [];
  }

  add(key: string, order: Order, id = newOrderId()): void {
    const [first] = this.of(key);
    // A heartbeat says less than whatever was ordered before it.
    if (order.kind === "heartbeat" && first !== undefined) return;
    const isLasting = order.kind !== "register" && first?.order.kind === "register";
    this.#byKey.set(key, isLasting ? [first, { id, order }] : [{ id, order }]);
  }

  take(key: string): readonly KeptOrder[] {
    const orders = this.of(key);
    this.#byKey.delete(key);
    return orders;
  }

  giveBack(key: string, orders: readonly KeptOrder[]): void {
    if (orders.length > 0 && !this.#byKey.has(key)) this.#byKey.set(key, orders);
  }

  clear(): void {
    this.#byKey.clear();
  }
}
