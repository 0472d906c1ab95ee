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

/** What comes on one stream, in order: a request, data, and one of the ends that there are. */
const script = fc
  .record({
    content: fc.array(fc.tuple(content, fc.constantFrom(-1, -1, 0, 17)), { maxLength: 5 }),
    hasLength: fc.boolean(),
    end: fc.constantFrom("data", "trailers", "reset", "none", "cut head"),
    isSplit: fc.boolean(),
  })
  .map(({ content, end, hasLength, isSplit }) => (id: number) => {
    const bytes = content.reduce((sum, [piece]) => sum + piece.length, 0);
    const list = hasLength && end !== "none" ? [...raw.POST, `content-length: ${bytes}`] : raw.POST;
    const head = raw.headers(id, list.slice(0, 5), false, !isSplit);
    // CONTINUATION has to follow at once: both are one turn.
    const start = isSplit ? Buffer.concat([head, raw.continuation(id, ["x-split: yes"])]) : head;
    const pieces = content.map(([piece, pad]) => (pad === -1 ? raw.data(id, piece) : raw.padded(raw.data(id, piece), pad)));
    const ends = {
      data: [raw.data(id, "", true)],
      trailers: [raw.headers(id, ["x-trailer: y"])],
      reset: [raw.reset(id, 8)],
      none: [],
      "cut head": [],
    };
    return end === "cut head" ? [raw.headers(id, raw.GET, true)] : [start, ...pieces, ...ends[end as keyof typeof ends]];
  });

const connectionFrame = fc.constantFrom(
  ...[raw.ping(), raw.SETTINGS_ACK, raw.settings([4, 100]), raw.settings([4, 70_000]), raw.settings([1, 0]), raw.windowUpdate(0, 5000)],
  ...[raw.rawFrame(0x20, 3, 5, Buffer.from("unknown")), raw.priority(3, 1), raw.goAway(0, 0)],
);

/** Several streams at once, without a fault. */
const coherent: fc.Arbitrary<Buffer[]> = fc
  .tuple(
    fc.array(script, { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(20), { minLength: 5, maxLength: 40 }),
    fc.array(connectionFrame, { maxLength: 8 }),
  )
  .map(([scripts, turns, others]) => {
    const waiting = scripts.map((create, index) => create(2 * index + 1));
    const running: Buffer[][] = [];
    const frames: Buffer[] = [];
    for (let turn = 0; waiting.length + running.length > 0; turn++) {
      const choice = turns[turn % turns.length] as number;
      // Streams open in the order of their numbers.
      if (running.length === 0 || (choice < 5 && waiting.length > 0)) running.push(waiting.shift() ?? []);
      const chosen = running[choice % running.length] as Buffer[];
      const frame = chosen.shift();
      if (frame === undefined) running.splice(running.indexOf(chosen), 1);
      else frames.push(frame);
      if (choice === 20 && others.length > 0) frames.push(others.shift() as Buffer);
    }
    return frames;
  });

/** Frames behind the preface and SETTINGS: some without a fault, some with one, some made of nothing else. */
export const conversation: fc.Arbitrary<Buffer> = fc
  .oneof(
    { weight: 3, arbitrary: coherent },
    {
      weight: 3,
      arbitrary: fc.tuple(coherent, frame, fc.nat(40)).map(([frames, fault, at]) => frames.toSpliced(at % (frames.length + 1), 0, fault)),
    },
    { weight: 1, arbitrary: fc.array(frame, { minLength: 1, maxLength: 25 }) },
  )
  .map((frames) => Buffer.concat(frames));

/** As it is, or with a byte changed. */
export const damagedConversation: fc.Arbitrary<Buffer> = fc.oneof(
  conversation,
  fc.tuple(conversation, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const damaged = Buffer.from(bytes);
    damaged[at % damaged.length] = value;
    return damaged;
  }),
);
