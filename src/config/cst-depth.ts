/** How deep a YAML text is nested, found without recursion, before anything that recurses is let near it. */
import type { CST } from "yaml";

/** @returns the offset of the first collection nested deeper than `maxDepth`, or null when there is none */
export function cstDepth(tokens: readonly CST.Token[], maxDepth: number): number | null {
  const pending: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { token, depth } = next;
    if (token.type === "document") {
      if (token.value !== undefined) pending.push({ token: token.value, depth });
    } else if ("items" in token) {
      if (depth >= maxDepth) return token.offset;
      for (const item of token.items) {
        // A collection as a key nests as well.
        if (isCollection(item.key)) pending.push({ token: item.key, depth: depth + 1 });
        if (isCollection(item.value)) pending.push({ token: item.value, depth: depth + 1 });
      }
    }
  }
  return null;
}

function isCollection(token: CST.Token | null | undefined): token is CST.Token {
  return token !== null && token !== undefined && "items" in token;
}
