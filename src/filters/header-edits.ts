/** Compiled header changes, as `set`, `add` and `remove` of several filters describe them. */
import { type HeaderList, removeHeader } from "../engine/model/request.js";
import { compileTemplate, renderHeader, type Template, type TemplateContext } from "../engine/model/template.js";

export interface HeaderTemplate {
  readonly name: string;
  readonly template: Template;
}

export interface HeaderEdits {
  readonly set: readonly HeaderTemplate[];
  readonly add: readonly HeaderTemplate[];
  readonly remove: readonly string[];
}

export interface HeaderSettings {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export function compileHeaderTemplates(map: Readonly<Record<string, string>>): HeaderTemplate[] {
  return Object.entries(map).map(([name, source]) => ({ name, template: compileTemplate(source) }));
}

export function compileHeaderEdits(settings: HeaderSettings): HeaderEdits {
  return { set: compileHeaderTemplates(settings.set), add: compileHeaderTemplates(settings.add), remove: settings.remove };
}

/**
 * Removes, sets, adds, in this order. All values are rendered first, so that one rule can rename a header: set the new
 * one from the old one and remove the old one.
 */
export function applyHeaderEdits(edits: HeaderEdits, headers: HeaderList, context: TemplateContext): void {
  const setValues = edits.set.map((field) => renderHeader(field.template, context));
  const addValues = edits.add.map((field) => renderHeader(field.template, context));
  for (const name of edits.remove) removeHeader(headers, name);
  for (const field of edits.set) removeSpellings(headers, field.name);
  push(headers, edits.set, setValues);
  push(headers, edits.add, addValues);
}

function push(headers: HeaderList, fields: readonly HeaderTemplate[], values: readonly (string | null)[]): void {
  fields.forEach((field, index) => {
    const value = values[index];
    if (typeof value === "string") headers.push(field.name, value);
  });
}

/**
 * Removes a field in every spelling that servers take for the same: many read `x_user` as `x-user`, so a client could
 * otherwise slip its own value past a header that the gateway vouches for.
 */
export function removeSpellings(headers: HeaderList, name: string): void {
  const canonical = name.replaceAll("_", "-");
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const present = headers[i] as string;
    if (present === name || (present.length === name.length && present.replaceAll("_", "-") === canonical)) headers.splice(i, 2);
  }
}
