/**
 * What hostile clients do, each as many connections (or streams of HTTP/2) of one kind, on plain Node sockets. Whoever is cut
 * comes back at once.
 */
import { type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface AttackTarget {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** HTTP/2 without TLS. */
  readonly h2cPort: number;
  /** Ahead of the path: chooses the service. */
  readonly prefix: string;
}

export interface AttackCounts {
  /** Connections that were established. */
  opened: number;
  /** Those that the gateway ended. */
  cut: number;
}

export interface RunningAttack {
  readonly counts: AttackCounts;
  /** All of its connections are up, or it has begun to hammer. */
  readonly isUp: () => boolean;
  stop(): void;
}

export interface Attack {
  readonly name: string;
  readonly title: string;
  /** Connections at once. */
  readonly size: number;
  readonly isTls: boolean;
  /** `hold`: connections that stay as long as they may; `hammer`: something again and again. */
  readonly kind: "hold" | "hammer";
  /** Of the service that is attacked. */
  readonly prefix: string;
  start(target: AttackTarget, size: number): RunningAttack;
}

const TRICKLE_MS = 1_000;
/** A hammering lane does not wait longer for the gateway's answer to nonsense. */
const PATIENCE_MS = 1_000;
/** Services with few connections, of HTTP/1.1, or with as many streams of HTTP/2: see gateways.ts. */
export const FEW = { http1: "/few", http2: "/few-h2", places: 64 } as const;
const STREAMS_PER_CONNECTION = 50;
/** In a flood without pause, so many connections end the attack: the ports of a machine are not endless. */
const MAX_FLOOD = 200_000;

export const ATTACKS: readonly Attack[] = [
  {
    name: "slowloris",
    title: "2,000 heads that trickle in",
    size: 2_000,
    isTls: false,
    kind: "hold",
    prefix: "",
    start: (target, size) =>
      hold(target, size, { hello: "GET /small HTTP/1.1\r\nHost: localhost\r\n", trickle: (socket) => socket.write("X-Slow: 1\r\n") }),
  },
  {
    name: "slow-bodies",
    title: "500 bodies that trickle in",
    size: 500,
    isTls: false,
    kind: "hold",
    prefix: "",
    start: (target, size) =>
      hold(target, size, {
        hello: slowUpload(target),
        trickle: (socket) => socket.write("x"),
      }),
  },
  {
    name: "slow-readers",
    title: "100 readers of 10 MiB at 1 KiB/s",
    // Several MiB of socket buffers each: with some hundreds the kernel runs out of memory for TCP, before any gateway does.
    size: 100,
    isTls: false,
    kind: "hold",
    prefix: "",
    start: (target, size) => hold(target, size, { hello: bigDownload(target), trickle: (socket) => socket.read(1024), isPaused: true }),
  },
  {
    name: "crowd-bodies",
    title: `200 bodies at 500 bytes/s, for a service of ${FEW.places} connections`,
    size: 200,
    isTls: false,
    kind: "hold",
    prefix: FEW.http1,
    // Fast enough for the limit that every upload has.
    start: (target, size) => hold(target, size, { hello: slowUpload(target), trickle: (socket) => socket.write(HALF_A_KILOBYTE) }),
  },
  {
    name: "crowd-readers",
    title: `100 readers of 10 MiB, for a service of ${FEW.places} connections`,
    size: 100,
    isTls: false,
    kind: "hold",
    prefix: FEW.http1,
    start: (target, size) => hold(target, size, { hello: bigDownload(target), trickle: (socket) => socket.read(1024), isPaused: true }),
  },
  {
    name: "stream-bodies",
    title: `200 HTTP/2 bodies at 500 bytes/s, for a service of ${FEW.places} streams`,
    size: 200,
    isTls: false,
    kind: "hold",
    prefix: FEW.http2,
    start: (target, size) => holdStreams(target, size, { ":method": "POST", ":path": `${target.prefix}/upload` }),
  },
  {
    name: "stream-readers",
    title: `200 HTTP/2 readers of 10 MiB, for a service of ${FEW.places} streams`,
    size: 200,
    isTls: false,
    kind: "hold",
    prefix: FEW.http2,
    start: (target, size) => holdStreams(target, size, { ":method": "GET", ":path": `${target.prefix}/big` }),
  },
  {
    name: "idle",
    title: "2,000 connections that say nothing",
    size: 2_000,
    isTls: false,
    kind: "hold",
    prefix: "",
    start: (target, size) => hold(target, size, { hello: "", trickle: () => {} }),
  },
  {
    name: "connections",
    title: "connections opened and closed, 100 at a time",
    size: 100,
    isTls: false,
    kind: "hammer",
    prefix: "",
    start: ({ httpPort }, size) => hammer(size, (counts) => openAndClose(httpPort, counts)),
  },
  {
    name: "malformed",
    title: "malformed requests, 100 at a time",
    size: 100,
    isTls: false,
    kind: "hammer",
    prefix: "",
    start: ({ httpPort }, size) => hammer(size, (counts, index) => sayNonsense(httpPort, counts, index)),
  },
  {
    name: "handshakes",
    title: "TLS handshakes, 20 at a time",
    size: 20,
    isTls: true,
    kind: "hammer",
    prefix: "",
    start: ({ httpsPort }, size) => hammer(size, (counts) => shakeHands(httpsPort, counts)),
  },
];

const HALF_A_KILOBYTE = "x".repeat(500);

function slowUpload({ prefix }: AttackTarget): string {
  return `POST ${prefix}/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n`;
}

function bigDownload({ prefix }: AttackTarget): string {
  return `GET ${prefix}/big HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

interface Holding {
  readonly hello: string;
  readonly trickle: (socket: Socket) => void;
  readonly isPaused?: boolean;
}

function hold({ httpPort }: AttackTarget, size: number, { hello, trickle, isPaused }: Holding): RunningAttack {
  const counts: AttackCounts = { opened: 0, cut: 0 };
  const sockets = new Set<Socket>();
  let isStopped = false;
  const open = (): void => {
    const socket = connect({ host: "127.0.0.1", port: httpPort });
    if (isPaused === true) socket.pause();
    else socket.resume();
    let isUp = false;
    socket.on("connect", () => {
      isUp = true;
      counts.opened++;
      sockets.add(socket);
      socket.write(hello);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      if (isStopped) return;
      if (isUp) counts.cut++;
      setTimeout(open, isUp ? 0 : 100);
    });
  };
  for (let i = 0; i < size; i++) open();
  const timer = setInterval(() => {
    for (const socket of sockets) trickle(socket);
  }, TRICKLE_MS);
  return {
    counts,
    isUp: () => counts.opened >= size,
    stop: () => {
      isStopped = true;
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Uploads get some bytes a second; answers are not read. */
function holdStreams({ h2cPort }: AttackTarget, size: number, head: { ":method": "GET" | "POST"; ":path": string }): RunningAttack {
  const counts: AttackCounts = { opened: 0, cut: 0 };
  const sessions = Array.from({ length: Math.ceil(size / STREAMS_PER_CONNECTION) }, () => connectHttp2(`http://127.0.0.1:${h2cPort}`));
  const streams = new Set<ClientHttp2Stream>();
  let isStopped = false;
  const isUpload = head[":method"] === "POST";
  const open = (index: number): void => {
    const session = sessions[index % sessions.length];
    if (session === undefined || session.destroyed) return;
    const stream = session.request(head, { endStream: !isUpload });
    streams.add(stream);
    counts.opened++;
    stream
      .on("error", () => {})
      .on("close", () => {
        streams.delete(stream);
        if (isStopped) return;
        counts.cut++;
        setTimeout(open, 0, index);
      });
    // A local reply is whole: its stream must be read to end.
    if (isUpload) stream.resume().on("end", () => stream.close(constants.NGHTTP2_CANCEL));
  };
  for (const session of sessions) session.on("error", () => {});
  for (let i = 0; i < size; i++) open(i);
  const timer = setInterval(() => {
    if (isUpload) for (const stream of streams) if (stream.writable) stream.write(HALF_A_KILOBYTE);
  }, TRICKLE_MS);
  return {
    counts,
    isUp: () => counts.opened >= size,
    stop: () => {
      isStopped = true;
      clearInterval(timer);
      for (const session of sessions) session.destroy();
    },
  };
}

/** `size` lanes, each doing the same thing again and again. */
function hammer(size: number, act: (counts: AttackCounts, index: number) => Promise<void>): RunningAttack {
  const counts: AttackCounts = { opened: 0, cut: 0 };
  let isStopped = false;
  let index = 0;
  const lane = async (): Promise<void> => {
    while (!isStopped && index < MAX_FLOOD) await act(counts, index++);
  };
  for (let i = 0; i < size; i++) void lane();
  return {
    counts,
    isUp: () => counts.opened > 0,
    stop: () => {
      isStopped = true;
    },
  };
}

function openAndClose(port: number, counts: AttackCounts): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      counts.opened++;
      // A reset leaves no TIME_WAIT behind, of which the attacker would run out first.
      socket.resetAndDestroy();
    });
    socket.on("error", () => {}).on("close", () => resolve());
  });
}

const NONSENSE = [
  "GET / HTTP/9.9\r\n\r\n",
  "GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  `GET / HTTP/1.1\r\nHost: localhost\r\nX-Bomb: ${"b".repeat(40_000)}\r\n\r\n`,
  "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
];

function sayNonsense(port: number, counts: AttackCounts, index: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let hasGivenUp = false;
    socket.on("connect", () => {
      counts.opened++;
      socket.write(Buffer.from(NONSENSE[index % NONSENSE.length] as string, "latin1"));
    });
    socket.setTimeout(PATIENCE_MS, () => {
      hasGivenUp = true;
      socket.resetAndDestroy();
    });
    socket.resume().on("error", () => {});
    socket.on("close", () => {
      if (!hasGivenUp) counts.cut++;
      resolve();
    });
  });
}

/** Always a full one: no session is offered. */
function shakeHands(port: number, counts: AttackCounts): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false });
    socket.on("secureConnect", () => {
      counts.opened++;
      socket.destroy();
    });
    socket.on("error", () => {}).on("close", () => resolve());
  });
}
