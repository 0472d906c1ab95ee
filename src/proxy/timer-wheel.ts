/**
 * The coarse clock of a process: every timeout of the data plane is a node in one wheel, armed and cancelled in constant
 * time without allocation. A timer fires between its delay and one tick later (more only when the event loop is late, or
 * when very many are due at once: they take turns with IO).
 */
import type { Timer, Timers } from "./ports.js";

export interface TimerWheelOptions {
  /** Resolution; default 100. */
  readonly tickMs?: number;
  /** Milliseconds that never run backwards; default `performance.now`. */
  readonly now?: () => number;
}

export interface TimerWheel extends Timers {
  /** Fires what is due by now. The wheel does this itself; tests with their own `now` call it. */
  advance(): void;
  /** Ends the ticking for good. Armed timers never fire. */
  stop(): void;
}

/** A power of two. Longer delays stay in their slot for more than one round. */
const SLOTS = 512;
/** Timers do not keep IO waiting for much longer: those of a thousand clients that came together are due together. */
const MAX_TURN_MS = 2;

export function createTimerWheel(options: TimerWheelOptions = {}): TimerWheel {
  return new Wheel(options.tickMs ?? 100, options.now ?? (() => performance.now()));
}

/** A timer is its own link in the ring of its slot; the head of a ring is a timer that is never armed. */
class WheelTimer implements Timer {
  readonly onFire: () => void;
  /** When it fires; -1 when not armed. */
  dueAtMs = -1;
  previous: WheelTimer = this;
  next: WheelTimer = this;
  readonly #wheel: Wheel;

  constructor(wheel: Wheel, onFire: () => void) {
    this.#wheel = wheel;
    this.onFire = onFire;
  }

  arm(delayMs: number): void {
    this.#wheel.schedule(this, delayMs);
  }

  cancel(): void {
    if (this.dueAtMs !== -1) this.#wheel.unschedule(this);
  }
}

class Wheel implements TimerWheel {
  readonly #tickMs: number;
  readonly #now: () => number;
  readonly #slots: WheelTimer[] = Array.from({ length: SLOTS }, () => new WheelTimer(this, neverFires));
  /** Taken out of their slots, not fired yet: a timer that fires may still cancel those after it. */
  readonly #due = new WheelTimer(this, neverFires);
  /** The last tick looked at; timers due later in it are still in its slot. */
  #currentTick: number;
  #armedCount = 0;
  /** Some due timers have been left for the next turn of the event loop. */
  #hasMoreDue = false;
  #interval: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(tickMs: number, now: () => number) {
    this.#tickMs = tickMs;
    this.#now = now;
    this.#currentTick = Math.floor(now() / tickMs);
  }

  create(onFire: () => void): Timer {
    return new WheelTimer(this, onFire);
  }

  schedule(timer: WheelTimer, delayMs: number): void {
    if (this.#isStopped) return;
    const nowMs = this.#now();
    if (timer.dueAtMs !== -1) unlink(timer);
    else if (this.#armedCount++ === 0) this.#wake(nowMs);
    timer.dueAtMs = nowMs + Math.max(0, delayMs);
    append(this.#slot(Math.floor(timer.dueAtMs / this.#tickMs)), timer);
  }

  unschedule(timer: WheelTimer): void {
    unlink(timer);
    timer.dueAtMs = -1;
    this.#armedCount--;
  }

  advance(): void {
    const nowMs = this.#now();
    const nowTick = Math.floor(nowMs / this.#tickMs);
    // After a long stall one round finds everything: a slot's timers are judged by their time, not by its place.
    const first = Math.max(this.#currentTick, nowTick - SLOTS + 1);
    for (let tick = first; tick <= nowTick; tick++) this.#collect(this.#slot(tick), nowMs);
    this.#currentTick = Math.max(this.#currentTick, nowTick);
    this.#fireDue(nowMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#sleep();
  }

  #slot(tick: number): WheelTimer {
    return this.#slots[tick & (SLOTS - 1)] as WheelTimer;
  }

  #collect(slot: WheelTimer, nowMs: number): void {
    let timer = slot.next;
    while (timer !== slot) {
      const following = timer.next;
      if (timer.dueAtMs <= nowMs) {
        unlink(timer);
        append(this.#due, timer);
      }
      timer = following;
    }
  }

  /** Should one throw, the rest stay due and fire with the next tick. */
  #fireDue(startedAtMs: number): void {
    while (this.#due.next !== this.#due && !this.#isStopped) {
      const timer = this.#due.next;
      this.unschedule(timer);
      timer.onFire();
      if (this.#now() - startedAtMs >= MAX_TURN_MS) return this.#fireMoreLater();
    }
    if (this.#armedCount === 0) this.#sleep();
  }

  #fireMoreLater(): void {
    if (this.#hasMoreDue) return;
    this.#hasMoreDue = true;
    setImmediate(() => {
      this.#hasMoreDue = false;
      this.#fireDue(this.#now());
    });
  }

  /** Nothing was armed, so no slot holds anything: the wheel may jump to the present. */
  #wake(nowMs: number): void {
    this.#currentTick = Math.max(this.#currentTick, Math.floor(nowMs / this.#tickMs));
    if (this.#interval !== null) return;
    this.#interval = setInterval(() => this.advance(), this.#tickMs);
    // A timeout guards work that something else keeps alive; by itself it is no reason for a process to go on.
    this.#interval.unref();
  }

  /** Not at every cancel: under load the last timer goes and the next comes all the time. */
  #sleep(): void {
    if (this.#interval !== null) clearInterval(this.#interval);
    this.#interval = null;
  }
}

function append(ring: WheelTimer, timer: WheelTimer): void {
  timer.previous = ring.previous;
  timer.next = ring;
  ring.previous.next = timer;
  ring.previous = timer;
}

function unlink(timer: WheelTimer): void {
  timer.previous.next = timer.next;
  timer.next.previous = timer.previous;
  timer.previous = timer;
  timer.next = timer;
}

function neverFires(): void {}
