/** Reads files of endpoints: the same YAML and located problems as the configuration's, without its variables. */
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { compileEndpointList } from "./compile-endpoints.js";
import { formatProblem, type Problem } from "./problems.js";
import { readPart } from "./read-tree.js";
import { endpointListSchema } from "./schema/endpoints.js";
import { fileProblem, sourceFromText } from "./source.js";
import { describePlace, placeOf, problemAt, type Tree } from "./tree.js";
import { checkAgainst } from "./validate.js";

export type EndpointListResult =
  | { readonly ok: true; readonly endpoints: readonly EndpointSpec[] }
  | { readonly ok: false; readonly message: string };

/** What others write must not be able to read the gateway's environment. */
const NO_VARIABLES = {};
const MAX_SHOWN = 3;

export function parseEndpointList(text: string, fileName: string): EndpointListResult {
  const source = sourceFromText(text.replace(/^\uFEFF/, ""), fileName);
  const { tree, problems } = readPart(source, NO_VARIABLES);
  if (problems.length > 0) return failure(problems);
  if (tree === null) return failure([fileProblem(fileName, "is empty: write [] for no endpoints")]);
  const checked = checkAgainst(tree, endpointListSchema);
  if (!checked.ok) return failure(checked.problems);
  const endpoints = compileEndpointList(checked.value);
  const repeats = repeatsIn(endpoints, tree);
  return repeats.length > 0 ? failure(repeats) : { ok: true, endpoints };
}

function repeatsIn(endpoints: readonly EndpointSpec[], tree: Tree): Problem[] {
  const first = new Map<string, number>();
  return endpoints.flatMap(({ host, port }, index) => {
    const key = `${host} ${port}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, index);
    const path = [index, "address"];
    return known === undefined
      ? []
      : [problemAt(placeOf(tree, path), path, `is also the address of the endpoint at ${describePlace(placeOf(tree, [known]))}`)];
  });
}

function failure(problems: readonly Problem[]): EndpointListResult {
  const shown = problems.slice(0, MAX_SHOWN).map(formatProblem).join("; ");
  const rest = problems.length - MAX_SHOWN;
  return { ok: false, message: rest > 0 ? `${shown}; and ${rest} more` : shown };
}
