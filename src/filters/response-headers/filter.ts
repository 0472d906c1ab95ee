/** Changes the headers of the response that goes down. */
import type { Filter } from "../../proxy/ports.js";
import { applyHeaderEdits, compileHeaderEdits } from "../header-edits.js";
import type { ResponseHeadersConfig } from "./schema.js";

export function createResponseHeadersFilter(config: ResponseHeadersConfig): Filter {
  const edits = compileHeaderEdits(config);
  return {
    type: "responseHeaders",
    onResponse(context, response) {
      applyHeaderEdits(edits, response.headers, context);
    },
  };
}
