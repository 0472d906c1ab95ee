/** Changes the headers that go upstream. */
import type { Filter } from "../../proxy/ports.js";
import { applyHeaderEdits, compileHeaderEdits } from "../header-edits.js";
import type { RequestHeadersConfig } from "./schema.js";

export function createRequestHeadersFilter(config: RequestHeadersConfig): Filter {
  const edits = compileHeaderEdits(config);
  return {
    type: "requestHeaders",
    onRequest(context) {
      applyHeaderEdits(edits, context.request.headers, context);
      return null;
    },
  };
}
