/**
 * `${NAME}` and `${NAME:-default}` inside one string; `$${` stands for a literal `${`. What a variable holds is not
 * scanned again, so a value can never pull in another variable.
 */

export type Environment = Readonly<Record<string, string | undefined>>;

export type Substitution =
  | { readonly ok: true; readonly text: string; readonly isChanged: boolean; readonly hasVariable: boolean }
  | { readonly ok: false; readonly message: string; readonly hint: string };

const REFERENCE = /\$\$\{|\$\{([^}]*)\}?/g;
const BODY = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

export function substitute(text: string, env: Environment): Substitution {
  if (!text.includes("${")) return { ok: true, text, isChanged: false, hasVariable: false };
  let failure: { message: string; hint: string } | null = null;
  let hasVariable = false;
  const result = text.replace(REFERENCE, (match: string, body: string | undefined) => {
    if (body === undefined) return "${";
    hasVariable = true;
    const value = match.endsWith("}") ? lookUp(body, env) : malformed();
    if (typeof value === "string") return value;
    failure ??= value;
    return "";
  });
  if (failure !== null) return { ok: false, ...(failure as { message: string; hint: string }) };
  return { ok: true, text: result, isChanged: true, hasVariable };
}

function lookUp(body: string, env: Environment): string | { message: string; hint: string } {
  const parts = BODY.exec(body);
  if (parts === null) return malformed();
  const name = parts[1] as string;
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (parts[2] !== undefined) return value === undefined || value === "" ? parts[2] : value;
  return value ?? { message: `environment variable ${name} is not set`, hint: `set it, or write a default: \${${name}:-…}` };
}

function malformed(): { message: string; hint: string } {
  return { message: "is not a valid ${…} reference", hint: "write ${NAME} or ${NAME:-default}; $${ is a literal ${" };
}
