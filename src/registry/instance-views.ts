/** Instances as those who watch see them, written once per change however many watch. */
import type { Instance } from "./instance.js";
import type { InstanceTable } from "./instance-table.js";

export interface InstanceViews {
  /** `{ service, index, instances }` as JSON; not older than a second. */
  of(service: string): InstanceView;
}

export interface InstanceView {
  readonly index: number;
  readonly json: Buffer;
}

/** Heartbeats raise no index, and people want to see them. */
const MAX_AGE_MS = 1_000;
const MAX_VIEWS = 64;

export function createInstanceViews(table: InstanceTable): InstanceViews {
  const views = new Map<string, InstanceView & { readonly writtenAt: number }>();

  function write(service: string): InstanceView & { readonly writtenAt: number } {
    const { index, instances } = table.instancesOf(service);
    const json = Buffer.from(JSON.stringify({ service, index, instances: instances.map(describe) }));
    return { index, json, writtenAt: performance.now() };
  }

  return {
    of(service) {
      const known = views.get(service);
      if (known !== undefined && known.index === table.indexOf(service) && performance.now() - known.writtenAt < MAX_AGE_MS) return known;
      const view = write(service);
      views.delete(service);
      views.set(service, view);
      const [oldest] = views.keys();
      if (views.size > MAX_VIEWS && oldest !== undefined) views.delete(oldest);
      return view;
    },
  };
}

function describe({ revision: _, registeredAtMs, renewedAtMs, changedAtMs, version, identity, ...rest }: Instance): unknown {
  const time = (ms: number): string => new Date(ms).toISOString();
  const said = { ...(version === "" ? {} : { version }), ...(identity === "" ? {} : { identity }) };
  return { ...rest, ...said, registeredAt: time(registeredAtMs), renewedAt: time(renewedAtMs), changedAt: time(changedAtMs) };
}
