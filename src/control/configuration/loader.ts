/**
 * Compiles configurations in a thread of its own that is started when it is needed and ends when it has long been idle. A
 * document that exhausts it (memory, time) costs the thread, not the primary.
 */
import { Worker } from "node:worker_threads";
import type { ObjectChange } from "../../engine/model/configuration.js";
import type { CompareReply, Loaded, LoadedText, LoadOrder, LoadReply, LoadSource, NotLoaded } from "./loader-messages.js";

/** What was loaded, and later how it differs from the base; empty when it could not be compared. Never rejects. */
export interface Compared extends Loaded {
  readonly changes: Promise<readonly ObjectChange[]>;
}

export interface ConfigLoader {
  /** Orders are carried out one after the other. Rejects when the loader itself fails, not for problems of the document. */
  load(source: LoadSource, base: LoadOrder["base"]): Promise<Compared | NotLoaded>;
  /** Compiles what is served, so that the next change is quick; the thread stays from now on. For large documents. */
  warmUp(source: LoadSource): void;
  stop(): void;
}

const THREAD = new URL("./loader-thread.js", import.meta.url);
const IDLE_MS = 5 * 60_000;
/** Far beyond what 32 MiB of text take. */
const MAX_LOAD_MS = 120_000;
/** Most of what compiling makes is garbage at once: with room for it, collecting it takes half the time. */
const LIMITS = { maxOldGenerationSizeMb: 4_096, maxYoungGenerationSizeMb: 32 } as const;

interface Waiting {
  readonly resolve: (result: Compared | NotLoaded) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export function createConfigLoader(): ConfigLoader {
  return new ThreadLoader();
}

class ThreadLoader implements ConfigLoader {
  #thread: Worker | null = null;
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();
  /** Who waits for what was loaded to be compared. */
  readonly #comparing = new Map<number, (changes: readonly ObjectChange[]) => void>();
  #idle: NodeJS.Timeout | null = null;
  #isKept = false;

  load(source: LoadSource, base: LoadOrder["base"]): Promise<Compared | NotLoaded> {
    const thread = this.#start();
    const id = this.#nextId++;
    if (this.#idle !== null) clearTimeout(this.#idle);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`compiling took longer than ${MAX_LOAD_MS / 1000} s`)), MAX_LOAD_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      thread.postMessage({ id, source, base } satisfies LoadOrder);
    });
  }

  warmUp(source: LoadSource): void {
    this.#isKept = true;
    this.load(source, null).catch(() => {});
  }

  stop(): void {
    this.#fail(new Error("the gateway is stopping"));
  }

  #start(): Worker {
    if (this.#thread !== null) return this.#thread;
    const thread = new Worker(THREAD, { resourceLimits: LIMITS });
    this.#thread = thread;
    thread.on("message", (reply: LoadReply | CompareReply) => ("changes" in reply ? this.#compared(reply) : this.#answer(reply)));
    thread.on("error", (error) => this.#thread === thread && this.#fail(error));
    thread.on("exit", () => this.#thread === thread && this.#fail(new Error("the loader thread ended")));
    thread.unref();
    return thread;
  }

  #answer({ id, result, error }: LoadReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (this.#waiting.size === 0) this.#endWhenIdle();
    if (result === null) waiting.reject(new Error(error));
    else if (!result.ok) waiting.resolve(result);
    else waiting.resolve({ ...parsed(result), changes: this.#changesOf(id) });
  }

  /** Somebody waits for it: the process stays until it is known. */
  #changesOf(id: number): Promise<readonly ObjectChange[]> {
    this.#thread?.ref();
    return new Promise((resolve) => this.#comparing.set(id, resolve));
  }

  #compared({ id, changes }: CompareReply): void {
    this.#comparing.get(id)?.(changes);
    this.#comparing.delete(id);
    if (this.#comparing.size === 0) this.#thread?.unref();
  }

  #endWhenIdle(): void {
    if (this.#isKept) return;
    this.#idle = setTimeout(() => this.#end(), IDLE_MS);
    this.#idle.unref();
  }

  #fail(error: Error): void {
    this.#end();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }

  #end(): void {
    const thread = this.#thread;
    this.#thread = null;
    for (const resolve of this.#comparing.values()) resolve([]);
    this.#comparing.clear();
    if (this.#idle !== null) clearTimeout(this.#idle);
    void thread?.terminate();
  }
}

function parsed({ version: _, snapshot, redactedDocument, ...rest }: LoadedText): Loaded {
  return { ...rest, snapshot: JSON.parse(snapshot) as Loaded["snapshot"], redactedDocument: new JsonText(redactedDocument) };
}

/** What may never be asked for stays text until it is. */
class JsonText {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toJSON(): unknown {
    return JSON.parse(this.#text);
  }
}
