/** Lets one wait until others say that there is something to do. What is said while nobody waits is not lost. */
export class Wake {
  #isSet = false;
  #resume: (() => void) | null = null;

  set(): void {
    this.#isSet = true;
    this.#resume?.();
  }

  async wait(): Promise<void> {
    if (!this.#isSet) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    this.#resume = null;
    this.#isSet = false;
  }
}
