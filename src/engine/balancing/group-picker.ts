/**
 * One algorithm over one group of endpoints (those of one priority and zone). What depends on who belongs to the group is
 * built when it is made; what depends on who takes traffic right now, in `update`; a pick only reads.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";

export interface GroupPicker {
  /**
   * @param active those of the group that take traffic from now on
   * @param weights theirs, in the same order, each above 0; belongs to the caller
   */
  update(active: readonly Endpoint[], weights: Float64Array): void;
  /** As `Picker.pick`, among the active ones. */
  pick(request: PickRequest): Endpoint | null;
}
