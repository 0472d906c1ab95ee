/** Servers of which any will do: one is asked for as long as it answers, then the next. */

/** @param url without a slash at its end */
export type AskServer<Answer> = (url: string) => Promise<Answer>;

export class ServersInTurn {
  readonly #urls: readonly string[];
  #position = 0;
  #passedOver = "";

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  get current(): string {
    return this.#urls[this.#position] as string;
  }

  /** Why others were passed over for the last answer; "" when none was. */
  get note(): string {
    return this.#passedOver === "" ? "" : `${this.current} is asked instead of others (${this.#passedOver})`;
  }

  /** Another one shall be asked next. */
  skip(): void {
    this.#position = (this.#position + 1) % this.#urls.length;
  }

  /** Each at most once. Rejects with the reasons of all, or as soon as `stop` says so. */
  async ask<Answer>(ask: AskServer<Answer>, stop: AbortSignal): Promise<Answer> {
    const reasons: string[] = [];
    while (reasons.length < this.#urls.length) {
      try {
        const answer = await ask(this.current);
        this.#passedOver = reasons.join("; ");
        return answer;
      } catch (error) {
        if (stop.aborted) throw error;
        reasons.push(`${this.current}: ${reasonOf(error)}`);
        this.skip();
      }
    }
    // In the same order whichever was asked first: the same trouble is the same message.
    throw new Error(reasons.sort().join("; "));
  }
}

/** A connect to a name with several addresses fails with a list of reasons and no message. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || "unknown error";
}
