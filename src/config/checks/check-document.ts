/** All checks that the schema cannot express: between fields, between blocks, and against the world outside the document. */
import type { Materials } from "../materials.js";
import type { Problem } from "../problems.js";
import type { WrittenDocument } from "../schema/document.js";
import type { Tree } from "../tree.js";
import type { Draft } from "../validate.js";
import { checkAdmin } from "./check-admin.js";
import { checkBalance } from "./check-balance.js";
import { checkBinds } from "./check-binds.js";
import { checkListeners } from "./check-listeners.js";
import { checkOverlaps } from "./check-overlaps.js";
import { checkProviders } from "./check-providers.js";
import { checkRegistry } from "./check-registry.js";
import { checkRoutes, type RouteNames } from "./check-routes.js";
import { checkServices } from "./check-services.js";
import { Checker } from "./checker.js";

export type DocumentDraft = Draft<WrittenDocument>;

export interface CheckContext {
  readonly checker: Checker;
  readonly materials: Materials;
  readonly nowMs: number;
  readonly platform: NodeJS.Platform;
}

export function checkDocument(document: DocumentDraft, tree: Tree, given: Omit<CheckContext, "checker">): Problem[] {
  const checker = new Checker(tree);
  const context: CheckContext = { checker, ...given };
  const names: RouteNames = {
    listeners: checker.indexNames(["listeners"]),
    services: checker.indexNames(["services"]),
    providers: checker.indexNames(["providers", "jwt"]),
  };
  checker.indexNames(["routes"]);
  checkListeners(document, context);
  checkBinds(document, checker);
  checkServices(document, context);
  checkBalance(document, context);
  checkProviders(document, context);
  checkRegistry(document, context);
  checkAdmin(document, context);
  checkRoutes(document, names, checker);
  checkOverlaps(document, checker);
  return checker.problems;
}
