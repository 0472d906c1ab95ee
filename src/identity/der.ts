/**
 * A few words for writing DER (ITU-T X.690) with node-forge's ASN.1 encoder, so that certificate code reads like the
 * module in RFC 5280. Knows encodings only, not certificates.
 */
import forge from "node-forge";

const { asn1, util } = forge;

export type Der = forge.asn1.Asn1;

function universal(type: forge.asn1.Type, bytes: string): Der {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, bytes);
}

/** forge keeps bytes in strings of Latin-1 characters ("binary strings"). */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function sequence(...items: readonly Der[]): Der {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [...items]);
}

export function set(...items: readonly Der[]): Der {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [...items]);
}

export function objectId(dotted: string): Der {
  return universal(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
}

/** `bytes` is the two's complement, shortest form: the caller keeps the first bit clear for positive numbers. */
export function integer(bytes: Uint8Array): Der {
  return universal(asn1.Type.INTEGER, binary(bytes));
}

export function boolean(value: boolean): Der {
  return universal(asn1.Type.BOOLEAN, value ? "\xff" : "\x00");
}

export function octetString(bytes: Uint8Array): Der {
  return universal(asn1.Type.OCTETSTRING, binary(bytes));
}

/** `unusedBits` at the end of the last byte are not part of the value. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Der {
  return universal(asn1.Type.BITSTRING, String.fromCharCode(unusedBits) + binary(bytes));
}

export function utf8String(text: string): Der {
  return universal(asn1.Type.UTF8, util.encodeUtf8(text));
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime after it. */
export function time(date: Date): Der {
  return date.getUTCFullYear() < 2050
    ? universal(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : universal(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

/** A context-specific tag around other elements. */
export function tagged(tag: number, ...items: readonly Der[]): Der {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, true, [...items]);
}

/** A context-specific tag in place of the element's own ([n] IMPLICIT). */
export function taggedBytes(tag: number, bytes: Uint8Array): Der {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, false, binary(bytes));
}

export function encode(element: Der): Buffer {
  return Buffer.from(asn1.toDer(element).getBytes(), "latin1");
}

export function decode(bytes: Uint8Array): Der {
  return asn1.fromDer(util.createBuffer(binary(bytes)));
}

/** The members of a constructed element. */
export function children(element: Der | undefined): readonly Der[] {
  if (element === undefined || typeof element.value === "string") throw new Error("DER: a constructed element was expected");
  return element.value;
}
