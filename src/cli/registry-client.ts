/** Keeps one instance registered, as docs/registry.md says: registers, heartbeats, registers again when it was forgotten, leaves. */
import { setTimeout as delay } from "node:timers/promises";

export interface ClientOptions {
  /** Of gateways that share a registry, such as `http://127.0.0.1:9902`; another one is asked when one fails. At least one. */
  readonly urls: readonly string[];
  readonly service: string;
  readonly id: string;
  /** "" for none. */
  readonly token: string;
  readonly registration: Readonly<Record<string, unknown>>;
  readonly leaseMs: number;
  /** That leaving may take. */
  readonly leaveMs: number;
  readonly log: (message: string) => void;
}

export interface RegistryClient {
  /** Begins to register and goes on by itself. Resolves after the first try; the text says why the registry will never take it. */
  start(): Promise<string | null>;
  /** Begins to drain. Never rejects, and takes no longer than `leaveMs`: what is under way then goes on until `close`. */
  leave(): Promise<void>;
  /** Gives up what is under way. */
  close(): void;
}

const MAX_TIMEOUT_MS = 5_000;
const MIN_TIMEOUT_MS = 500;
/** Two of three heartbeats may get lost. */
const BEATS_PER_LEASE = 3;
const RETRY_MS = 1_000;

export function createRegistryClient(options: ClientOptions): RegistryClient {
  return new Client(options);
}

class Client implements RegistryClient {
  readonly #options: ClientOptions;
  readonly #path: string;
  readonly #timeoutMs: number;
  /** Which of the registries answered last. */
  #at = 0;
  #timer: NodeJS.Timeout | null = null;
  #isRegistered = false;
  #hasLeft = false;
  readonly #closed = new AbortController();
  #beating: Promise<unknown> = Promise.resolve();
  #lastProblem = "";

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#path = `/v1/services/${options.service}/instances/${options.id}`;
    // One registry that hangs leaves time to ask the next before the lease is over.
    this.#timeoutMs = Math.max(MIN_TIMEOUT_MS, Math.min(MAX_TIMEOUT_MS, options.leaseMs / (BEATS_PER_LEASE + 1)));
  }

  async start(): Promise<string | null> {
    const status = await this.#begin();
    const isRefused = status >= 400 && status < 500;
    return isRefused ? `the registry refuses with ${this.#lastProblem}` : null;
  }

  async leave(): Promise<void> {
    this.#hasLeft = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const late = new AbortController();
    const isLate = delay(this.#options.leaveMs, true, { signal: late.signal }).catch(() => false);
    const isOver = await Promise.race([isLate, this.#takeBack()]);
    late.abort();
    if (isOver) this.#note("the registry does not answer: the instance may stay until its lease is over");
  }

  close(): void {
    this.#closed.abort();
  }

  async #takeBack(): Promise<false> {
    // A registration under way would be there after the end of the service.
    await this.#beating;
    if (this.#isRegistered) await this.#ask("DELETE", "").catch((error: Error) => this.#note(error.message));
    return false;
  }

  #begin(): Promise<number> {
    const beating = this.#beat();
    this.#beating = beating;
    return beating;
  }

  /** One heartbeat, or a registration when there is nothing to renew. 0: the registry did not answer. */
  async #beat(): Promise<number> {
    let status = 0;
    try {
      if (this.#isRegistered) status = await this.#ask("POST", "/heartbeat");
      if (status === 404 || !this.#isRegistered) status = await this.#ask("PUT", "", this.#options.registration);
      this.#isRegistered = status < 300;
      if (this.#isRegistered) this.#note("");
    } catch (error) {
      this.#at++;
      this.#note(`the registry cannot be reached: ${reasonOf(error)}`);
    }
    this.#plan();
    return status;
  }

  #plan(): void {
    if (this.#hasLeft) return;
    const usualMs = (this.#options.leaseMs / BEATS_PER_LEASE) * (0.8 + 0.2 * Math.random());
    this.#timer = setTimeout(() => void this.#begin(), this.#lastProblem === "" ? usualMs : Math.min(RETRY_MS, usualMs));
  }

  /** Asks the registries in turn, beginning with the one that answered last; rejects when none does. */
  async #ask(method: string, suffix: string, body?: unknown): Promise<number> {
    const { urls } = this.#options;
    for (let tries = 1; ; tries++) {
      const url = urls[this.#at % urls.length] as string;
      try {
        const status = await this.#askOne(url, method, suffix, body);
        if (status < 500 || tries >= urls.length) return status;
      } catch (error) {
        if (tries >= urls.length) throw error;
      }
      this.#at++;
    }
  }

  async #askOne(url: string, method: string, suffix: string, body: unknown): Promise<number> {
    const { token } = this.#options;
    this.#closed.signal.throwIfAborted();
    const response = await fetch(`${url}${this.#path}${suffix}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    const text = await response.text();
    if (!response.ok && response.status !== 404) this.#note(`${response.status}: ${titleOf(text)}`);
    return response.status;
  }

  /** Said when it begins. */
  #note(problem: string): void {
    if (this.#closed.signal.aborted) return;
    if (problem !== "" && problem !== this.#lastProblem) this.#options.log(problem);
    this.#lastProblem = problem;
  }
}

function titleOf(text: string): string {
  try {
    return String((JSON.parse(text) as { readonly title?: unknown }).title ?? "");
  } catch {
    return "";
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? message;
}
