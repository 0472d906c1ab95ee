/** Whether a service panics, for people: too few of its endpoints are well, so all of them are asked. */
import type { EndpointSet } from "../model/endpoint.js";
import { type EligibilityRules, findEligible } from "./eligibility.js";
import type { GroupPicker } from "./group-picker.js";
import { layOut } from "./layout.js";

const NOBODY: GroupPicker = { update: () => {}, pick: () => null };

/** Of the whole service, whatever subsets there are. Allocates: not for the request path. */
export function isPanicking({ endpoints }: EndpointSet, rules: EligibilityRules, now: number): boolean {
  const levels = layOut(endpoints, { subset: null, zone: "", createGroupPicker: () => NOBODY });
  return findEligible(levels, rules, now).some((level) => level.isPanicking);
}
