/** Metrics of the sources of endpoints, read from their state with each scrape: what is gone leaves no row behind. */
import { Gauge, type Registry } from "prom-client";

export interface SourceReading {
  readonly service: string;
  readonly type: string;
  readonly status: "waiting" | "ready" | "stale";
  readonly endpoints: number;
  /** Milliseconds since the epoch; 0: never. */
  readonly confirmedAtMs: number;
  readonly failures: number;
}

export function addSourceMetrics(registry: Registry, read: () => readonly SourceReading[]): void {
  const add = (name: string, help: string, readingOf: (source: SourceReading) => number | null): void => {
    new Gauge({
      name,
      help,
      labelNames: ["windrose_service", "windrose_source"],
      registers: [registry],
      collect() {
        this.reset();
        for (const source of read()) {
          const value = readingOf(source);
          if (value !== null) this.set({ windrose_service: source.service, windrose_source: source.type }, value);
        }
      },
    });
  };
  add("windrose_source_up", "1: the last look at a source of endpoints succeeded.", ({ status }) => (status === "ready" ? 1 : 0));
  add("windrose_source_endpoints", "Endpoints in use that it found.", ({ endpoints }) => endpoints);
  add("windrose_source_failures", "Looks that failed since the source was configured.", ({ failures }) => failures);
  add("windrose_source_age_seconds", "Since the endpoints in use were confirmed.", ({ confirmedAtMs }) =>
    confirmedAtMs === 0 ? null : (Date.now() - confirmedAtMs) / 1_000,
  );
}
