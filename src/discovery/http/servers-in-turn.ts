/** Servers of which any will do: one is asked for as long as it answers, then the next. */

/** @param url without a slash at its end */
export type AskServer<Answer> = (url: string) => Promise<Answer>;

export class ServersInTurn {
  readonly #urls: readonly string[];
  #position = 0;
  /** Of those that failed since the last answer. */
  #reasons: string[] = [];
  #note = "";

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  get current(): string {
    return this.#urls[this.#position] as string;
  }

  /** Why others were passed over for the last answer; "" when none was. */
  get note(): string {
    return this.#note;
  }

  /** The current one has failed; another one shall be asked next. */
  passOver(error: unknown): void {
    this.#reasons.push(`${this.current}: ${reasonOf(error)}`);
    this.#position = (this.#position + 1) % this.#urls.length;
  }

  /** Each at most once. Rejects with the reasons of all, or as soon as `stop` says so. */
  async ask<Answer>(ask: AskServer<Answer>, stop: AbortSignal): Promise<Answer> {
    for (let i = 0; i < this.#urls.length; i++) {
      try {
        const answer = await ask(this.current);
        this.answered();
        return answer;
      } catch (error) {
        if (stop.aborted) throw error;
        this.passOver(error);
      }
    }
    // The last ones of each, in the same order whichever was asked first: the same trouble is the same message.
    const message = this.#reasons.slice(-this.#urls.length).sort().join("; ");
    this.#reasons = [];
    throw new Error(message);
  }

  /** The current one has. */
  answered(): void {
    this.#note = this.#reasons.length === 0 ? "" : `${this.current} answers, after ${this.#reasons.join("; ")}`;
    this.#reasons = [];
  }
}

/** Certificates that do not fit are quoted in messages, whatever they hold. */
const MAX_REASON = 300;

/** One line. A connect to a name with several addresses fails with a list of reasons and no message. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return (message || code || "unknown error").replace(/\s+/g, " ").trim().slice(0, MAX_REASON);
}
