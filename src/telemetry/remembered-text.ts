/**
 * Texts that come back in line after line, built once: as flat strings, because a line joined from few flat pieces is
 * copied several times faster than one joined from many. Bounded: hostile variety makes it forget, not grow.
 */

const MAX_REMEMBERED = 1_024;
const MAX_REMEMBERED_CHARS = 256;

export class RememberedText {
  readonly #build: (value: string) => string;
  readonly #texts = new Map<string, string>();

  constructor(build: (value: string) => string) {
    this.#build = build;
  }

  get(value: string): string {
    let text = this.#texts.get(value);
    if (text !== undefined) return text;
    text = this.#build(value);
    if (value.length > MAX_REMEMBERED_CHARS) return text;
    text = flat(text);
    if (this.#texts.size >= MAX_REMEMBERED) this.#texts.clear();
    this.#texts.set(value, text);
    return text;
  }
}

/** @param text ASCII */
export function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
