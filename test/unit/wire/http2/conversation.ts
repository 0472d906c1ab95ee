/** Conversations of a client for fuzzing: frames that are mostly right, in orders that are mostly right. */
import fc from "fast-check";
import * as raw from "./raw-frames.js";

const streamId = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(1, 3, 5, 7) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2, 9, 0x7fff_ffff) },
);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 1000, max: 17_000 }).map((length) => Buffer.alloc(length, "d")),
);
const fields = fc.oneof(
  fc.constantFrom(
    raw.GET,
    raw.POST,
    [...raw.POST, "content-length: 20"],
    [...raw.GET, "cookie: a=b", "cookie: c=d"],
    ["x-trailer: y"],
    [":status: 200"],
  ),
  fc.array(
    fc.constantFrom(...raw.GET, "connection: close", "te: trailers", "X: y", ":status: 204", `big: ${"b".repeat(20_000)}`, "a: \r"),
    { maxLength: 6 },
  ),
);
const setting = fc.tuple(fc.integer({ min: 1, max: 10 }), fc.constantFrom(0, 1, 100, 65_535, 70_000, 0x7fff_ffff, 0x8000_0000));

const frame: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(streamId, fields, fc.boolean(), fc.boolean())
      .map(([id, list, isEnd, isWhole]) => raw.headers(id, list, isEnd, isWhole || list.length > 2)),
  },
  { weight: 6, arbitrary: fc.tuple(streamId, content, fc.boolean()).map(([id, bytes, isEnd]) => raw.data(id, bytes, isEnd)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(streamId, content, fc.integer({ min: 0, max: 255 }))
      .map(([id, bytes, pad]) => raw.padded(raw.data(id, bytes), pad)),
  },
  { weight: 2, arbitrary: fc.tuple(streamId, fields, fc.boolean()).map(([id, list, isWhole]) => raw.continuation(id, list, isWhole)) },
  {
    weight: 2,
    arbitrary: fc.tuple(streamId, fc.constantFrom(0, 1, 100, 0x7fff_ffff)).map(([id, increment]) => raw.windowUpdate(id, increment)),
  },
  { weight: 2, arbitrary: fc.tuple(streamId, fc.nat(15)).map(([id, code]) => raw.reset(id, code)) },
  { weight: 2, arbitrary: fc.array(setting, { maxLength: 3 }).map((pairs) => raw.settings(pairs.flat())) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      raw.ping(),
      raw.SETTINGS_ACK,
      raw.goAway(0, 0),
      raw.priority(3, 1),
      raw.rawFrame(0x20, 3, 5, Buffer.from("unknown")),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(11), fc.nat(255), streamId, fc.uint8Array({ maxLength: 30 }), fc.integer({ min: -2, max: 2 }))
      .map(([type, flags, id, payload, error]) => raw.rawFrame(type, flags, id, payload, Math.max(0, payload.length + error))),
  },
);

/** Frames behind the preface and SETTINGS. */
export const conversation: fc.Arbitrary<Buffer> = fc.array(frame, { minLength: 1, maxLength: 25 }).map((frames) => Buffer.concat(frames));

/** As it is, or with a byte changed. */
export const damagedConversation: fc.Arbitrary<Buffer> = fc.oneof(
  conversation,
  fc.tuple(conversation, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const damaged = Buffer.from(bytes);
    damaged[at % damaged.length] = value;
    return damaged;
  }),
);
