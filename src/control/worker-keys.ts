/** A worker's copy of the key sets that the primary pushes; asks it to look again when a token names an unknown key. */
import type { Jwks } from "./key-sets.js";
import type { KeySetMessage, WorkerMessage } from "./protocol.js";
import { Questions } from "./questions.js";

const REFRESH_TIMEOUT_MS = 10_000;

export interface WorkerKeys {
  current(provider: string): { readonly version: number; readonly jwks: Jwks } | null;
  /** Resolves when the primary has looked, or would not so soon again; never rejects. */
  refresh(provider: string, kid: string): Promise<void>;
  receive(message: KeySetMessage): void;
  answer(id: number): void;
}

export function createWorkerKeys(send: (message: WorkerMessage) => void): WorkerKeys {
  const keySets = new Map<string, KeySetMessage>();
  const questions = new Questions<null>(REFRESH_TIMEOUT_MS);
  return {
    current: (provider) => keySets.get(provider) ?? null,
    async refresh(provider, kid) {
      await questions.ask((id) => send({ type: "refreshKeys", id, provider, kid })).catch(() => null);
    },
    receive(message) {
      const known = keySets.get(message.provider);
      if (known === undefined || message.version > known.version) keySets.set(message.provider, message);
    },
    answer: (id) => questions.answer(id, null),
  };
}
