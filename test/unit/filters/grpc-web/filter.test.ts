import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { headerValue } from "../../../../src/engine/model/request.js";
import { Base64Decoder, encodeBase64 } from "../../../../src/filters/grpc-web/base64.js";
import { createGrpcWebFilter } from "../../../../src/filters/grpc-web/filter.js";
import { createContext, type TestContext } from "../filter-context.js";

const filter = createGrpcWebFilter();

function begin(contentType: string, bodyLength = 10): TestContext {
  const context = createContext({ headers: ["content-type", contentType] });
  context.request.bodyLength = bodyLength;
  assert.equal(filter.onRequest?.(context) ?? null, null);
  return context;
}

/** Returns the response's content type. */
function answer(context: TestContext, contentType: string): string | undefined {
  const response = { status: 200, headers: ["content-type", contentType] };
  filter.onResponse?.(context, response);
  return headerValue(response.headers, "content-type");
}

describe("the grpcWeb filter", () => {
  it("turns the types of gRPC-Web into those of gRPC, and back", () => {
    const cases: [asked: string, sent: string, answered: string, returned: string][] = [
      ["application/grpc-web", "application/grpc", "application/grpc", "application/grpc-web"],
      ["application/grpc-web+proto", "application/grpc+proto", "application/grpc+proto", "application/grpc-web+proto"],
      ["Application/gRPC-Web-Text+proto", "application/grpc+proto", "application/grpc", "application/grpc-web-text"],
      ["application/grpc-web-text", "application/grpc", "application/grpc+json", "application/grpc-web-text+json"],
    ];
    for (const [asked, sent, answered, returned] of cases) {
      const context = begin(asked);
      assert.equal(headerValue(context.request.headers, "content-type"), sent);
      assert.equal(context.request.acceptsTrailers, true);
      assert.equal(answer(context, answered), returned);
      assert.equal(context.bodyTransform?.changesResponse, true);
    }
  });

  it("leaves everything else alone", () => {
    for (const type of ["application/grpc", "application/grpc-webby", "text/plain", "application/json"]) {
      const context = begin(type);
      assert.equal(headerValue(context.request.headers, "content-type"), type);
      assert.equal(context.bodyTransform, null);
      assert.equal(answer(context, "application/grpc"), "application/grpc");
    }
  });

  it("passes answers that are no gRPC as they are", () => {
    const context = begin("application/grpc-web-text");
    assert.equal(answer(context, "text/html"), "text/html");
    assert.equal(context.bodyTransform?.changesResponse, false);
  });

  it("keeps the length of binary bodies, and forgets that of base64", () => {
    assert.equal(begin("application/grpc-web+proto", 10).request.bodyLength, 10);
    assert.equal(begin("application/grpc-web-text", 10).request.bodyLength, -1);
    assert.equal(begin("application/grpc-web-text", 0).request.bodyLength, 0);
  });

  it("ends the body with the trailers", () => {
    const context = begin("application/grpc-web+proto");
    answer(context, "application/grpc+proto");
    const frame = Buffer.from(context.bodyTransform?.responseEnd(["grpc-status", "0", "x-a", "b: c"]) ?? []);
    const text = "grpc-status: 0\r\nx-a: b: c\r\n";
    assert.equal(frame[0], 0x80);
    assert.equal(frame.readUInt32BE(1), text.length);
    assert.equal(frame.toString("latin1", 5), text);
    assert.equal(context.bodyTransform?.responseEnd(null).length, 5);
  });

  it("refuses text that is no base64, or ends within a group", () => {
    for (const text of ["AAA", "A===", "AA=A", "====", "AA\nA", "AAAA-AAA"]) {
      const { bodyTransform } = begin("application/grpc-web-text");
      assert.equal(bodyTransform?.request(Buffer.from(text), true), null, text);
    }
  });
});

describe("base64 in pieces", () => {
  it("comes to the same, however it was cut and joined", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(200), { maxLength: 6 }), (parts, cuts) => {
        const text = Buffer.concat(parts.map((part) => encodeBase64(part)));
        const borders = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort((a, b) => a - b);
        const decoder = new Base64Decoder();
        const decoded = borders.slice(1).map((end, i) => decoder.decode(text.subarray(borders[i], end), i === borders.length - 2));
        assert.ok(decoded.every((piece) => piece !== null));
        assert.deepEqual(Buffer.concat(decoded as Uint8Array[]), Buffer.concat(parts));
      }),
    );
  });

  it("never throws, whatever comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.boolean(), (bytes, isLast) => {
        new Base64Decoder().decode(bytes, isLast);
      }),
    );
  });
});
