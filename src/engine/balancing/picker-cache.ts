/**
 * Pickers for one snapshot after another: one per set, subset and settings, and the same one again while none of these
 * change, with its tables and with whose turn it is.
 */
import type { EndpointSet, Picker } from "../model/endpoint.js";
import { createPicker, type PickerRules } from "./picker.js";

export type PickerSource = (set: EndpointSet, rules: PickerRules) => Picker;

export interface PickerCache {
  /** Those that the snapshot before had and this one does not ask for are forgotten with the next. */
  forSnapshot(): PickerSource;
}

export function createPickerCache(): PickerCache {
  let previous = new Map<EndpointSet, Map<string, Picker>>();
  return {
    forSnapshot() {
      const before = previous;
      const current = new Map<EndpointSet, Map<string, Picker>>();
      previous = current;
      return (set, rules) => {
        const key = JSON.stringify(canonical(rules));
        const pickers = current.get(set) ?? new Map<string, Picker>();
        current.set(set, pickers);
        const picker = pickers.get(key) ?? before.get(set)?.get(key) ?? createPicker(set, rules);
        pickers.set(key, picker);
        return picker;
      };
    },
  };
}

/** Labels in any order are the same labels. */
function canonical({ balance, subset, zone }: PickerRules): unknown {
  const labels = subset === null ? null : Object.entries(subset.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return [balance, zone, labels, subset?.fallback];
}
