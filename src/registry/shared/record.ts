/** An instance as it lies in the store: `REVISION JSON`. What comes from there is checked like everything that comes from outside. */
import type { EventName, Instance, InstanceState } from "../instance.js";
import { isName, readStoredRegistration } from "../registration.js";

export interface StoredRecord {
  readonly service: string;
  readonly instance: Instance;
  /** By which its content was known: its own revision, or that of before the store had lost it. */
  readonly knownAs: number;
}

export interface LogEntry {
  readonly revision: number;
  readonly service: string;
  readonly id: string;
  readonly event: EventName;
  readonly atMs: number;
}

const STATES: readonly string[] = ["up", "expired", "draining", "removed"] satisfies InstanceState[];
const EVENTS: readonly string[] = [
  ...["registered", "changed", "expired", "renewed", "draining"],
  ...["restored", "removed", "gone", "recovered"],
] satisfies string[];
const ENTRY = /^(\d{1,16}) ([^/ ]+)\/([^/ ]+) ([a-z]+) (\d{1,16})$/;

export function keyOf(service: string, id: string): string {
  return `${service}/${id}`;
}

/** @param knownAs 0: by the revision that the store gives it now */
export function writeRecord({ revision: _, id: __, ...content }: Instance, knownAs = 0): string {
  return JSON.stringify(knownAs === 0 ? content : { ...content, knownAs });
}

/** Null: it is not one, or of a version that says more than this one understands. */
export function readRecord(key: string, text: string): StoredRecord | null {
  const [service = "", id = "", rest] = key.split("/");
  const space = text.indexOf(" ");
  const revision = Number(text.slice(0, space));
  const content = parseJson(text.slice(space + 1));
  if (rest !== undefined || !isName(service) || !isName(id) || !isTime(revision) || content === null) return null;
  const { state, registeredAtMs, renewedAtMs, changedAtMs, knownAs = revision } = content;
  const registration = readStoredRegistration(content);
  if (registration === null || typeof state !== "string" || !STATES.includes(state)) return null;
  if (!isTime(registeredAtMs) || !isTime(renewedAtMs) || !isTime(changedAtMs) || !isTime(knownAs)) return null;
  const times = { registeredAtMs, renewedAtMs, changedAtMs };
  return { service, instance: { id, ...registration, state: state as InstanceState, ...times, revision }, knownAs };
}

export function readEntry(text: string): LogEntry | null {
  const [, revision, service = "", id = "", event = "", atMs] = ENTRY.exec(text) ?? [];
  const [number, time] = [Number(revision), Number(atMs)];
  if (!isName(service) || !isName(id) || !EVENTS.includes(event) || !isTime(number) || !isTime(time)) return null;
  return { revision: number, service, id, event: event as EventName, atMs: time };
}

/** Of an entry of the log that may say more than this version understands; 0: it has none that can be. */
export function revisionOf(text: string): number {
  const revision = Number(/^\d{1,16}/.exec(text)?.[0]);
  return isTime(revision) ? revision : 0;
}

function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

/** A date that `Date` can show, or a revision. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 8.64e15;
}
