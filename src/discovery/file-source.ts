/**
 * Endpoints from a file that others write: read when it changes, however it is replaced. A file with problems, or none at all,
 * changes nothing.
 */
import type { FileSourceSpec } from "../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { readTextFile } from "./read-text-file.js";
import type { Source, SourceSink } from "./source.js";

export interface FilePorts {
  /** `message` names file, line and column. */
  parse(text: string, path: string): ParsedEndpoints;
  /** Calls back as soon as it watches, then after each change of a file under this path. */
  watch(path: string, onChange: () => void): { stop(): void };
}

export type ParsedEndpoints =
  | { readonly ok: true; readonly endpoints: readonly EndpointSpec[] }
  | { readonly ok: false; readonly message: string };

/** Ten thousand endpoints with labels are a megabyte or two. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

export function createFileSource({ path }: FileSourceSpec, sink: SourceSink, ports: FilePorts): Source {
  let watching: { stop(): void } | null = null;
  let isStopped = false;
  /** Later reads win, whichever ends last. */
  let reads = 0;

  async function read(): Promise<void> {
    const number = ++reads;
    const result = await readEndpoints(path, ports);
    if (isStopped || number !== reads) return;
    sink.planned(0);
    if (result.ok) sink.found(result.endpoints);
    else sink.failed(result.message);
  }

  return {
    start() {
      // What changes before it watches is read with the first look.
      watching = ports.watch(path, () => void read());
    },
    stop() {
      isStopped = true;
      watching?.stop();
    },
  };
}

async function readEndpoints(path: string, ports: FilePorts): Promise<ParsedEndpoints> {
  try {
    return ports.parse(await readTextFile(path, MAX_FILE_BYTES), path);
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}
