/**
 * Tells old connections from young ones, although the addon gives a connection no identity: an acceptor app hands what
 * it accepts to one of several child apps in the same thread, and after a while to the next. Through which app a request
 * arrives says when its connection was accepted. When the ring comes round, those from the last time have been told to close.
 */
import type { Timer, Timers } from "../../proxy/ports.js";
import type { UwsApp } from "./addon.js";

/** What the handlers of one app know about its connections. */
export interface AppSlot {
  isOld: boolean;
}

export const ALWAYS_YOUNG: AppSlot = Object.freeze({ isOld: false });

/** A connection is old after so many moves: between three and four of them after it was accepted. */
const MOVES_UNTIL_OLD = 4;
/** For two further moves its app is not used again: longer than the addon keeps an idle connection. */
const SLOTS = MOVES_UNTIL_OLD + 2;

interface Place {
  readonly slot: AppSlot;
  readonly app: UwsApp;
}

export class AppRing {
  readonly #acceptor: UwsApp;
  readonly #places: readonly Place[];
  readonly #periodMs: number;
  readonly #timer: Timer;
  #current = 0;

  /**
   * @param createApp with all handlers; the acceptor gets them too and never needs them
   * @param ageMs > 0; connections are old at three quarters of it at the earliest
   */
  constructor(createApp: (slot: AppSlot) => UwsApp, ageMs: number, timers: Timers) {
    this.#acceptor = createApp(ALWAYS_YOUNG);
    this.#places = Array.from({ length: SLOTS }, () => {
      const slot = { isOld: false };
      return { slot, app: createApp(slot) };
    });
    this.#periodMs = ageMs / MOVES_UNTIL_OLD;
    this.#timer = timers.create(() => this.#move());
    this.#acceptor.addChildAppDescriptor(this.#at(0).app.getDescriptor());
  }

  /** To be given the listening socket. */
  get acceptor(): UwsApp {
    return this.#acceptor;
  }

  start(): void {
    this.#timer.arm(this.#periodMs);
  }

  stop(): void {
    this.#timer.cancel();
  }

  close(): void {
    this.stop();
    this.#acceptor.close();
    for (const { app } of this.#places) app.close();
  }

  /** All in one turn, so that no connection is accepted in between. */
  #move(): void {
    const before = this.#at(0);
    this.#current++;
    const next = this.#at(0);
    this.#acceptor.addChildAppDescriptor(next.app.getDescriptor());
    this.#acceptor.removeChildAppDescriptor(before.app.getDescriptor());
    next.slot.isOld = false;
    this.#at(-MOVES_UNTIL_OLD).slot.isOld = this.#current >= MOVES_UNTIL_OLD;
    this.#timer.arm(this.#periodMs);
  }

  /** @param offset in moves, from the app that is in use */
  #at(offset: number): Place {
    return this.#places[(this.#current + offset + SLOTS) % SLOTS] as Place;
  }
}
