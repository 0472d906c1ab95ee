/**
 * Several sources that make up one, by preference: each tells its own part, and the set is what all of them know. A part that
 * fails keeps what it said last, and the whole counts as failing; the other parts go on being taken over at once.
 */
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { joinNotes, type SourceSink } from "./source.js";

interface Part {
  endpoints: readonly EndpointSpec[] | null;
  failure: string;
  note: string;
  plannedAtMs: number;
}

/** @returns a sink for each part, the most preferred first: of endpoints that several parts name, its is taken */
export function splitSink(sink: SourceSink, count: number): SourceSink[] {
  const parts = Array.from({ length: count }, (): Part => ({ endpoints: null, failure: "", note: "", plannedAtMs: 0 }));
  const failures = (): string => joined(parts.map(({ failure }) => failure));

  function tell(): void {
    const isTried = parts.every(wasTried);
    // What was known stays beside the rest while a part may still tell, and for as long as the preferred one is not known.
    const isPartial = !isTried || parts[0]?.endpoints === null;
    sink.found(unite(parts), isPartial, { failure: failures(), note: joined(parts.map(({ note }) => note)) });
  }

  return parts.map((part) => ({
    found(endpoints, _isPartial, remarks) {
      Object.assign(part, { endpoints, failure: "", note: "" }, remarks);
      tell();
    },
    failed(message) {
      part.failure = message;
      if (parts.every(wasTried)) sink.failed(failures());
    },
    planned(nextTryAtMs) {
      part.plannedAtMs = nextTryAtMs;
      const planned = parts.map(({ plannedAtMs }) => plannedAtMs).filter((at) => at > 0);
      sink.planned(planned.length === 0 ? 0 : Math.min(...planned));
    },
  }));
}

function wasTried({ endpoints, failure }: Part): boolean {
  return endpoints !== null || failure !== "";
}

function unite(parts: readonly Part[]): EndpointSpec[] {
  const united = new Map<string, EndpointSpec>();
  for (const { endpoints } of parts) {
    for (const endpoint of endpoints ?? []) {
      const key = `${endpoint.host} ${endpoint.port}`;
      if (!united.has(key)) united.set(key, endpoint);
    }
  }
  return [...united.values()];
}

function joined(texts: readonly string[]): string {
  return joinNotes(...new Set(texts));
}
