/** Keeps one instance registered, as docs/registry.md says: registers, heartbeats, registers again when it was forgotten, leaves. */
export interface ClientOptions {
  /** Of the registry, such as `http://127.0.0.1:9902`. */
  readonly url: string;
  readonly service: string;
  readonly id: string;
  /** "" for none. */
  readonly token: string;
  readonly registration: Readonly<Record<string, unknown>>;
  readonly leaseMs: number;
  readonly log: (message: string) => void;
}

export interface RegistryClient {
  /** Begins to register and goes on by itself. Resolves after the first try; the text says why the registry will never take it. */
  start(): Promise<string | null>;
  /** Begins to drain. Never rejects. */
  leave(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
/** Two of three heartbeats may get lost. */
const BEATS_PER_LEASE = 3;
const RETRY_MS = 1_000;

export function createRegistryClient(options: ClientOptions): RegistryClient {
  return new Client(options);
}

class Client implements RegistryClient {
  readonly #options: ClientOptions;
  readonly #path: string;
  #timer: NodeJS.Timeout | null = null;
  #isRegistered = false;
  #hasLeft = false;
  #lastProblem = "";

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#path = `${options.url}/v1/services/${options.service}/instances/${options.id}`;
  }

  async start(): Promise<string | null> {
    const status = await this.#beat();
    const isRefused = status >= 400 && status < 500;
    return isRefused ? `the registry refuses with ${this.#lastProblem}` : null;
  }

  async leave(): Promise<void> {
    this.#hasLeft = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isRegistered) await this.#ask("DELETE", "").catch((error: Error) => this.#note(error.message));
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
      this.#note(`the registry cannot be reached: ${reasonOf(error)}`);
    }
    this.#plan();
    return status;
  }

  #plan(): void {
    if (this.#hasLeft) return;
    const usualMs = (this.#options.leaseMs / BEATS_PER_LEASE) * (0.8 + 0.2 * Math.random());
    this.#timer = setTimeout(() => void this.#beat(), this.#lastProblem === "" ? usualMs : Math.min(RETRY_MS, usualMs));
  }

  async #ask(method: string, suffix: string, body?: unknown): Promise<number> {
    const { token } = this.#options;
    const response = await fetch(`${this.#path}${suffix}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok && response.status !== 404) this.#note(`${response.status}: ${titleOf(text)}`);
    return response.status;
  }

  /** Said when it begins. */
  #note(problem: string): void {
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
