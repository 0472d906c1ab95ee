/** Questions over a channel that carries only messages: numbers them, and fails those left unanswered for too long. */

interface Waiting<T> {
  readonly resolve: (answer: T) => void;
  readonly timer: NodeJS.Timeout;
}

export class Questions<T> {
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting<T>>();
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** @param send puts the question with this id on the channel */
  ask(send: (id: number) => void): Promise<T> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`no answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      timer.unref();
      this.#waiting.set(id, { resolve, timer });
      send(id);
    });
  }

  answer(id: number, answer: T): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }
}
