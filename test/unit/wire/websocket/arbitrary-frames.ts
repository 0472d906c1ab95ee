/** Random conversations of one direction: valid ones, and ones with something broken in them. */
import fc from "fast-check";
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } from "../../../../src/wire/websocket/opcodes.js";
import type { RawFrame } from "./raw-frame.js";
import { codeAndReason, rawFrame } from "./raw-frame.js";

export interface Conversation {
  readonly isMasked: boolean;
  readonly bytes: Buffer;
}

const text = fc.string({ unit: "grapheme", maxLength: 60 }).map((value) => Buffer.from(value));
const anyBytes = fc.uint8Array({ maxLength: 60 });
/** Around the borders of the length forms. */
const longBytes = fc.tuple(fc.constantFrom(124, 125, 126, 127, 200, 65_535, 65_536), fc.integer({ min: 0, max: 255 }));
const long = longBytes.map(([length, byte]) => new Uint8Array(length).fill(byte));
const longText = longBytes.map(([length, byte]) => new Uint8Array(length).fill(byte & 0x7f));

const control: fc.Arbitrary<RawFrame> = fc.record({
  opcode: fc.constantFrom(PING, PONG),
  payload: fc.oneof(anyBytes, fc.constant(new Uint8Array(125))),
});

const close: fc.Arbitrary<RawFrame> = fc
  .option(fc.tuple(fc.constantFrom(1000, 1001, 1003, 1007, 1014, 3000, 4999), fc.string({ unit: "grapheme", maxLength: 20 })), {
    nil: null,
  })
  .map((content) => ({ opcode: CLOSE, payload: content === null ? new Uint8Array(0) : codeAndReason(...content).subarray(0, 125) }))
  .filter((frame) => isWellCut(frame.payload));

/** One message in fragments, with control frames between them. */
const message: fc.Arbitrary<readonly RawFrame[]> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ opcode: fc.constant(TEXT), payload: text }) },
      { weight: 4, arbitrary: fc.record({ opcode: fc.constant(BINARY), payload: anyBytes }) },
      { weight: 1, arbitrary: fc.record({ opcode: fc.constant(BINARY), payload: long }) },
      { weight: 1, arbitrary: fc.record({ opcode: fc.constant(TEXT), payload: longText }) },
    ),
    fc.array(fc.nat({ max: 70 }), { maxLength: 4 }),
    fc.array(control, { maxLength: 3 }),
  )
  .map(([whole, cuts, controls]) => fragments(whole.opcode, whole.payload, cuts, controls));

const frames: fc.Arbitrary<readonly RawFrame[]> = fc
  .tuple(
    fc.array(
      fc.oneof(
        message,
        control.map((frame) => [frame]),
      ),
      { maxLength: 6 },
    ),
    fc.option(close, { nil: null }),
  )
  .map(([parts, last]) => [...parts.flat(), ...(last === null ? [] : [last])]);

/** Any mask, the one that changes nothing included. */
const mask = fc.oneof(fc.integer(), fc.constant(0));

export const validConversation: fc.Arbitrary<Conversation> = fc
  .record({ isMasked: fc.boolean(), frames, masks: fc.array(mask, { minLength: 1, maxLength: 4 }) })
  .map(({ isMasked, frames, masks }) => conversation(isMasked, frames, masks));

type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "direction" };

const damage: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("flip" as const), at: fc.double({ min: 0, max: 1, noNaN: true }), bit: fc.nat({ max: 7 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "direction" as const }) },
);

/** A frame with one field chosen freely, in the middle of a good conversation. */
const oddFrame: fc.Arbitrary<RawFrame> = fc.record(
  {
    opcode: fc.oneof(fc.integer({ min: 0, max: 15 }), fc.constantFrom(CONTINUATION, TEXT, BINARY, CLOSE)),
    payload: fc.oneof(
      anyBytes,
      longText,
      fc.constantFrom(1004, 1005, 1006, 1015, 999, 2999, 5000, 1000).map((code) => codeAndReason(code)),
    ),
    isFinal: fc.boolean(),
    reservedBits: fc.constantFrom(0, 0, 0, 0x40, 0x20, 0x10),
    lengthBits: fc.constantFrom(64 as const, 16 as const),
    announced: fc.constantFrom(0n, 1n, 125n, 126n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n),
  },
  { requiredKeys: ["opcode", "payload"] },
);

export const mutatedConversation: fc.Arbitrary<Conversation> = fc.oneof(
  fc.tuple(validConversation, fc.array(damage, { minLength: 1, maxLength: 3 })).map(([whole, damages]) => damages.reduce(damaged, whole)),
  fc
    .record({ isMasked: fc.boolean(), before: frames, odd: oddFrame.map(wellFormedLength), behind: frames, mask })
    .map(({ isMasked, before, odd, behind, mask }) => conversation(isMasked, [...before, odd, ...behind], [mask])),
);

function conversation(isMasked: boolean, frames: readonly RawFrame[], masks: readonly number[]): Conversation {
  const bytes = frames.map((frame, i) => rawFrame(isMasked ? { ...frame, mask: masks[i % masks.length] as number } : frame));
  return { isMasked, bytes: Buffer.concat(bytes) };
}

function fragments(opcode: number, payload: Uint8Array, cuts: readonly number[], controls: readonly RawFrame[]): RawFrame[] {
  const frames: RawFrame[] = [];
  let from = 0;
  for (const [i, length] of cuts.entries()) {
    frames.push({ opcode: i === 0 ? opcode : CONTINUATION, payload: payload.subarray(from, from + length), isFinal: false });
    from += length;
    const between = controls[i];
    if (between !== undefined) frames.push(between);
  }
  frames.push({ opcode: cuts.length === 0 ? opcode : CONTINUATION, payload: payload.subarray(from) });
  return frames;
}

function damaged(whole: Conversation, damage: Damage): Conversation {
  if (damage.kind === "direction") return { ...whole, isMasked: !whole.isMasked };
  const at = Math.min(whole.bytes.length - 1, Math.floor(damage.at * whole.bytes.length));
  if (damage.kind === "cut" || at < 0) return { ...whole, bytes: whole.bytes.subarray(0, Math.max(at, 0)) };
  if (damage.kind === "insert") {
    return { ...whole, bytes: Buffer.concat([whole.bytes.subarray(0, at), damage.bytes, whole.bytes.subarray(at)]) };
  }
  const bytes = Buffer.from(whole.bytes);
  bytes[at] = (bytes[at] as number) ^ (1 << damage.bit);
  return { ...whole, bytes };
}

/** `lengthBits` must be able to hold the length. */
function wellFormedLength(frame: RawFrame): RawFrame {
  const length = frame.announced ?? BigInt(frame.payload?.length ?? 0);
  return frame.lengthBits === 16 && length > 65_535n ? { ...frame, lengthBits: 64 } : frame;
}

/** The cut at 125 bytes may have gone through a character. */
function isWellCut(payload: Uint8Array | undefined): boolean {
  if (payload === undefined || payload.length < 2) return true;
  const reason = Buffer.from(payload.subarray(2));
  return Buffer.from(reason.toString("utf8")).equals(reason);
}
