/** What of a service's endpoints changes rarely: who is of the subset, of which priority, and in which zone. */
import type { Endpoint } from "../model/endpoint.js";
import type { SubsetSpec } from "../model/snapshot.js";
import type { GroupPicker } from "./group-picker.js";

export interface Group {
  readonly members: readonly Endpoint[];
  readonly picker: GroupPicker;
}

/** Endpoints of one priority; without zones all of them are remote. */
export interface Level {
  readonly members: readonly Endpoint[];
  readonly local: Group;
  readonly remote: Group;
}

export interface LayoutRules {
  readonly subset: SubsetSpec | null;
  /** "": all zones are alike. */
  readonly zone: string;
  readonly createGroupPicker: (members: readonly Endpoint[]) => GroupPicker;
}

/** In the order of priorities. Endpoints without weight are in none. */
export function layOut(endpoints: readonly Endpoint[], { subset, zone, createGroupPicker }: LayoutRules): Level[] {
  const members = subsetOf(endpoints, subset).filter(({ weight }) => weight > 0);
  const priorities = [...new Set(members.map(({ priority }) => priority))].sort((a, b) => a - b);
  const group = (part: readonly Endpoint[]): Group => ({ members: part, picker: createGroupPicker(part) });
  return priorities.map((priority) => {
    const level = members.filter((endpoint) => endpoint.priority === priority);
    const isLocal = (endpoint: Endpoint): boolean => zone !== "" && endpoint.zone === zone;
    return { members: level, local: group(level.filter(isLocal)), remote: group(level.filter((endpoint) => !isLocal(endpoint))) };
  });
}

/** Those with the labels; when there are none, what the subset says. */
export function subsetOf<Labelled extends Pick<Endpoint, "labels">>(
  endpoints: readonly Labelled[],
  subset: SubsetSpec | null,
): readonly Labelled[] {
  if (subset === null) return endpoints;
  const members = endpoints.filter(({ labels }) => hasLabels(labels, subset.labels));
  return members.length === 0 && subset.fallback === "all" ? endpoints : members;
}

function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}
