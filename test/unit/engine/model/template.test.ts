import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  claimHeader,
  claimText,
  compileTemplate,
  headerBytes,
  parseTemplate,
  renderHeader,
  renderKey,
  renderText,
  type TemplateContext,
} from "../../../../src/engine/model/template.js";

function contextWith(claims: Record<string, unknown> | null, headers: string[] = []): TemplateContext {
  return {
    requestId: "r-1",
    clientAddress: "192.0.2.7",
    routeName: "orders",
    listenerName: "public",
    request: { method: "GET", host: "api.example.com", path: "/orders/1", query: "a=b", headers },
    principal: claims === null ? null : { provider: "main", subject: "s", claims },
  };
}

const header = (source: string, context: TemplateContext) => renderHeader(compileTemplate(source), context);
const text = (source: string, context: TemplateContext) => renderText(compileTemplate(source), context);

test("every placeholder renders its value", () => {
  const context = contextWith({ sub: "ann", a: { b: 7 } }, ["x-name", "one", "x-name", "two"]);
  const cases: [string, string][] = [
    ["{jwt.sub}", "ann"],
    ["{jwt.a.b}", "7"],
    ["{client.ip}", "192.0.2.7"],
    ["{request.id}", "r-1"],
    ["{request.header.X-Name}", "one, two"],
    ["{request.method} {request.host}{request.path}?{request.query}", "GET api.example.com/orders/1?a=b"],
    ["{route}@{listener}", "orders@public"],
    ["a{{b}}c}", "a{b}c}"],
    ["{{{jwt.sub}}}", "{ann}"],
    ["", ""],
  ];
  for (const [source, expected] of cases) {
    assert.equal(text(source, context), expected, source);
    assert.equal(header(source, context), expected, source);
  }
});

test("a template that cannot be read is a problem with its place and a hint", () => {
  const cases: [string, number, RegExp][] = [
    ["ab{jwt.sub", 2, /not closed/],
    ["{nope}", 0, /`\{nope\}` is not a known placeholder/],
    ["x{{{}", 3, /not a known placeholder/],
    ["{jwt.}", 0, /name of a claim/],
    ["{jwt.a..b}", 0, /name of a claim/],
    ["{request.header.}", 0, /does not name a header/],
    ["{request.header.a b}", 0, /does not name a header/],
    ["{request.body}", 0, /not a known placeholder/],
  ];
  for (const [source, offset, message] of cases) {
    const parsed = parseTemplate(source);
    assert.ok(!parsed.ok, source);
    assert.equal(parsed.problem.offset, offset, source);
    assert.match(parsed.problem.message, message);
    assert.notEqual(parsed.problem.hint, "");
  }
});

test("only templates with claims read the principal", () => {
  assert.equal(compileTemplate("x-{jwt.sub}").readsPrincipal, true);
  assert.equal(compileTemplate("x-{client.ip}{{jwt.sub}}").readsPrincipal, false);
});

test("missing values are empty, and a lone one leaves the header out", () => {
  const context = contextWith(null);
  assert.equal(header("{jwt.sub}", context), null);
  assert.equal(header("user={jwt.sub}", context), "user=");
  assert.equal(text("{jwt.sub}", context), "");
  assert.equal(renderKey(compileTemplate("a-{jwt.sub}"), context), null);
  assert.equal(header("{jwt.sub}", contextWith({ sub: "" })), "");
});

test("claims are read as own members only, dotted names before nesting, and only scalars have a text", () => {
  const claims = {
    "https://a.example/x": "dotted",
    a: { b: { c: true } },
    "a.b": "flat",
    list: ["x", 1],
    empty: [],
    mixed: [{}],
    nothing: null,
  };
  const cases: [string, string | null][] = [
    ["https://a.example/x", "dotted"],
    ["a.b", "flat"],
    ["a.b.c", "true"],
    ["list", "x,1"],
    ["empty", null],
    ["mixed", null],
    ["nothing", null],
    ["a", null],
    ["constructor", null],
    ["a.constructor.name", null],
    ["__proto__", null],
    ["toString.name", null],
    ["list.length", null],
  ];
  for (const [path, expected] of cases) assert.equal(claimText(claims, path), expected, path);
});

test("no claim can add a line to a header", () => {
  for (const evil of ["a\r\nx-admin: 1", "a\nb", "a\rb", "a\0b", "a\u007fb", "\ud800"]) {
    assert.equal(header("{jwt.sub}", contextWith({ sub: evil })), null);
    assert.equal(header("u={jwt.sub};", contextWith({ sub: evil })), "u=;");
  }
  assert.equal(header("{jwt.sub}", contextWith({ sub: "a\u0085b\u2028c" })), "a\u00c2\u0085b\u00e2\u0080\u00a8c");
});

test("text outside ASCII becomes its UTF-8 bytes, and request bytes stay as they are", () => {
  assert.equal(header("{jwt.sub}", contextWith({ sub: "Zoë ж €😀 à" })), Buffer.from("Zoë ж €😀 à", "utf8").toString("latin1"));
  assert.equal(claimHeader({ city: " à\t" }, "city"), "\u00c3\u00a0");
  assert.equal(header("{request.header.x-raw}", contextWith(null, ["x-raw", "\u00c3\u00ab"])), "\u00c3\u00ab");
});

test("whatever is put in, a header value is latin1 without CR, LF, NUL and outer blanks", () => {
  const anyText = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom("\r", "\n", "\0", "a", " ", "é", "\ud83d") }),
  );
  fc.assert(
    fc.property(anyText, anyText, (claim, value) => {
      const rendered = header("a{jwt.sub}b{request.header.x-a}", contextWith({ sub: claim }, ["x-a", value]));
      assert.match(rendered ?? "", /^[\t\x20-\x7e\x80-\xff]*$/);
      const alone = header("{jwt.sub}", contextWith({ sub: claim }));
      if (alone !== null) assert.doesNotMatch(alone, /^[ \t]|[ \t]$/);
    }),
  );
});

test("the bytes of a text are those of Node's encoder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      const bytes = headerBytes(value);
      if (bytes !== null) assert.equal(bytes, Buffer.from(value, "utf8").toString("latin1"));
    }),
  );
});

test("parsing never throws, and what parses renders", () => {
  const unit = fc.constantFrom("{", "}", "a", "jwt.", "jwt.sub", "{jwt.sub}", "route", ".", " ", "é");
  fc.assert(
    fc.property(fc.string({ unit }), (source) => {
      const parsed = parseTemplate(source);
      if (parsed.ok) assert.equal(typeof renderText(parsed.template, contextWith({ sub: "x" })), "string");
      else assert.ok(parsed.problem.offset >= 0 && parsed.problem.offset < source.length);
    }),
  );
});
