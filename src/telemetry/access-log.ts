/** The access log: an Observer that samples finished exchanges and hands one line each to a LogWriter. */
import type { TelemetrySpec } from "../engine/model/snapshot.js";
import type { ExchangeRecord, Observer } from "../proxy/ports.js";
import { formatAccessLogLine } from "./access-log-line.js";
import { LogWriter } from "./log-writer.js";
import type { Reading } from "./worker-metrics.js";

export interface AccessLog {
  readonly observer: Observer;
  /** For WorkerMetrics.addReading: lines written and lines dropped. */
  readonly readings: readonly Reading[];
  /** After the file was rotated. */
  reopen(): void;
  /** Resolves when everything so far is written or given up, at the latest after `timeoutMs`. */
  flush(timeoutMs?: number): Promise<void>;
  /** For an `exit` handler. */
  flushSync(): void;
  close(timeoutMs?: number): Promise<void>;
}

export interface AccessLogOptions {
  /** Queries often carry tokens and personal data. Default: false. */
  readonly includesQuery?: boolean;
  readonly maxBufferBytes?: number;
  /** Descriptor of `stdout`. Default: 1. */
  readonly stdoutFd?: number;
  readonly onProblem?: (error: Error) => void;
  /** 0 ≤ value < 1. */
  readonly random?: () => number;
  readonly now?: () => number;
}

/** Throws when the file cannot be opened. */
export function createAccessLog(spec: TelemetrySpec["accessLog"], options: AccessLogOptions = {}): AccessLog {
  if (spec.path === "off") return disabledLog();
  const { includesQuery = false, random = Math.random, now = Date.now, ...writerOptions } = options;
  const writer = new LogWriter({ path: spec.path, ...writerOptions });
  return {
    observer: {
      onAccept: () => undefined,
      onComplete(record) {
        if (isLogged(record, spec.sample, random)) writer.write(formatAccessLogLine(record, now(), includesQuery));
      },
    },
    readings: [
      reading("windrose_access_log_lines_total", "Access log lines written.", () => writer.writtenLines),
      reading(
        "windrose_access_log_dropped_lines_total",
        "Access log lines lost to a slow or failing destination.",
        () => writer.droppedLines,
      ),
    ],
    reopen: () => writer.reopen(),
    flush: (timeoutMs) => writer.flush(timeoutMs),
    flushSync: () => writer.flushSync(),
    close: (timeoutMs) => writer.close(timeoutMs),
  };
}

function isLogged(record: ExchangeRecord, sample: number, random: () => number): boolean {
  return sample >= 1 || (record.isLocalReply && record.status >= 500) || random() < sample;
}

function reading(name: string, help: string, read: () => number): Reading {
  return { name, help, type: "counter", read };
}

function disabledLog(): AccessLog {
  const nothing = () => undefined;
  return {
    observer: { onAccept: nothing, onComplete: nothing },
    readings: [],
    reopen: nothing,
    flush: async () => undefined,
    flushSync: nothing,
    close: async () => undefined,
  };
}
