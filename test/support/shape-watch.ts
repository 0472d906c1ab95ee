/**
 * Watches hidden classes: every object shown under a label must have the same one as the first has by then, and none may be
 * in dictionary mode. V8 says so itself, through its test functions. A lonely object cannot be found out: show several.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--allow-natives-syntax");
export const haveSameMap = new Function("a", "b", "return %HaveSameMap(a, b)") as (a: object, b: object) => boolean;
export const hasFastProperties = new Function("o", "return %HasFastProperties(o)") as (object: object) => boolean;

const MAX_PROBLEMS_PER_LABEL = 3;

/** biome-ignore lint/suspicious/noExplicitAny: constructors of every kind */
type Class = abstract new (...parameters: any[]) => object;
type Method = (this: object, ...parameters: unknown[]) => unknown;

export class ShapeWatch {
  /** What was wrong, each once. */
  readonly problems = new Set<string>();
  /** How often each method of a watched class was called, as `label.method`. */
  readonly calls = new Map<string, number>();
  /** Label → all objects that were shown under it, and when last. */
  readonly #seen = new Map<string, Map<object, string>>();

  /** Different objects under the label, so far. */
  count(label: string): number {
    return this.#seen.get(label)?.size ?? 0;
  }

  show<T extends object>(label: string, object: T, moment: string): T {
    const seen = this.#seen.get(label) ?? new Map<object, string>();
    this.#seen.set(label, seen);
    seen.set(object, moment);
    const [[first, firstMoment]] = seen as unknown as [[object, string]];
    if (!hasFastProperties(object)) this.#report(label, `is a dictionary ${moment}`);
    else if (!haveSameMap(first, object)) this.#report(label, `${moment} has not the shape of another ${firstMoment}`);
    return object;
  }

  /** Shows every instance whenever one of its methods is called: before and after, and so from right behind its construction. */
  watchClass(label: string, { prototype }: Class): void {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === "constructor" || typeof value !== "function") continue;
      const { calls } = this;
      const show = (object: object, moment: string) => this.show(label, object, moment);
      const watched: Method = function (...parameters) {
        calls.set(`${label}.${name}`, (calls.get(`${label}.${name}`) ?? 0) + 1);
        show(this, `before ${name}`);
        const result = (value as Method).apply(this, parameters);
        show(this, `after ${name}`);
        return result;
      };
      Object.defineProperty(prototype, name, { value: watched, writable: true, configurable: true });
    }
  }

  /** Once more at everything that was shown. */
  showAllAgain(moment: string): void {
    for (const [label, seen] of this.#seen) for (const object of seen.keys()) this.show(label, object, moment);
  }

  /**
   * Forgets everything but the classes. V8 learns in the first rounds which fields hold doubles, and objects from before
   * that keep their old hidden class: not what this is about.
   */
  restart(): void {
    this.problems.clear();
    this.calls.clear();
    this.#seen.clear();
  }

  /** One change can be met by every later look at the class: the first few tell enough. */
  #report(label: string, problem: string): void {
    const text = `${label} ${problem}`;
    if ([...this.problems].filter((known) => known.startsWith(`${label} `)).length < MAX_PROBLEMS_PER_LABEL) this.problems.add(text);
  }
}
