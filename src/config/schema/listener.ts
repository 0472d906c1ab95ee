/** `listeners`: bound address + protocol + TLS + direction. */
import { z } from "zod";
import type { Direction } from "../../engine/model/snapshot.js";
import { DURATION_PATTERN, parseDuration } from "../../engine/model/units.js";
import { bindAddress, boundedSize, cidr, duration, type Flaw, filePath, hostname, isDurationOk, name, size, text } from "./values.js";
import {
  clientAuth,
  http2,
  proxyProtocol,
  tlsVersion,
  WIRE_DEFAULTS,
  WIRE_TLS_DEFAULTS,
  wireLimits,
  wireTimeouts,
} from "./wire-listener.js";

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const MAX_QUEUE_BYTES = 1024 * 1024 * 1024;
/** What uWebSockets.js can count, in seconds. */
const MIN_IDLE_MS = 8_000;
const MAX_IDLE_MS = 960_000;

const certificate = z.strictObject({
  cert: filePath().describe("PEM file with the certificate and its chain, leaf first."),
  key: filePath().describe("PEM file with the private key, without passphrase."),
});

const tls = z.strictObject({
  certificates: z
    .array(certificate)
    .min(1)
    .describe("Chosen by SNI from the DNS names in each certificate; the first one is served when nothing fits."),
  minVersion: tlsVersion().optional(),
  clientAuth: clientAuth.optional().describe("Clients are asked for a certificate. Default: they are not. h2 listeners only."),
});

const limits = z.strictObject({
  maxHeaderBytes: size()
    .optional()
    .describe("Request line and fields together; more is answered with 431. Default: 16KiB on http and https, 60KiB on h2 and h2c."),
  maxBodyBytes: size().optional().describe("Request body; 0: unlimited. Default: 10MiB on ingress, unlimited elsewhere."),
  minBodyBytesPerSecond: size()
    .default(240)
    .describe(
      "A request body that falls 5 s behind this rate is answered with 408 and its connection closed; 0 disables. A fast start makes up for " +
        "at most 30 s of silence later; time in which the service does not take the body does not count. " +
        "Danger: uploads that are quiet by design, such as long chunked streams of events, need 0.",
    ),
  maxConnections: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(10_000)
    .describe("Open connections per worker; what the limit of open files cannot hold is closed at once, too."),
  maxConnectionsPerAddress: z
    .int()
    .min(0)
    .max(10_000_000)
    .default(0)
    .describe(
      "Open connections of one client address (IPv6: of one /64) on this listener, in all workers together; 0: unlimited. What is too much is " +
        "closed as soon as it is accepted. Never exceeded; but near the limit, and for more new connections per second than about the limit " +
        "(fewer on a machine with tens of thousands of sockets), some are closed although there is room. At least 16 per 3 workers, less is " +
        "raised to that. Addresses in trustedProxies are exempt. Linux only: what is open is counted in the kernel's table of this network " +
        "namespace, which may take a tenth of a core in the primary. Danger: whatever hides addresses (a load balancer, NAT, a container's " +
        "port forwarding) makes many callers one.",
    ),
  ...wireLimits,
});

/** Shorter, connections that the engine keeps open although they are idle would pass for young ones again. */
const MIN_CONNECTION_AGE_MS = 60_000;

const connectionAge = () =>
  text((value) => {
    const ageMs = parseDuration(value);
    if (ageMs === null || ageMs === 0 || ageMs >= MIN_CONNECTION_AGE_MS) return isDurationOk(value);
    return { message: "must be 0s or at least 1m" };
  }).meta({ pattern: DURATION_PATTERN.source });

const timeouts = z.strictObject({
  request: duration().default("60s").describe("From the request's head to the last byte of its body; 0s disables."),
  streamIdle: duration().default("5m").describe("No byte in either direction for this long ends the exchange; 0s disables."),
  connectionAge: connectionAge()
    .default("0s")
    .describe(
      "Connections that have reached three quarters of this age are told to close with their next response (Connection: close), all of them " +
        "once they have reached it; 0s: never, else at least 1m. Spreads clients over instances again. Costs memory for seven sets of " +
        "certificates on https, where a TLS session is resumed only while connections of its time are accepted.",
    ),
  ...wireTimeouts,
});

const webSocket = z.strictObject({
  maxMessageBytes: boundedSize(1, MAX_MESSAGE_BYTES)
    .default("1MiB")
    .describe("Per message in either direction, fragments and inflated bytes together; a longer one ends the connection. At most 64MiB."),
  maxQueueBytes: boundedSize(1, MAX_QUEUE_BYTES)
    .default("1MiB")
    .describe(
      "Messages of one client that its service has not taken yet. Clients cannot be paused: above this the connection closes with 1013.",
    ),
  idleTimeout: text(isIdleTimeoutOk)
    .default("2m")
    .describe("Both ends are pinged; one that sends nothing for this long, no pong either, is given up. 8s to 16m; 0s disables."),
  maxAge: duration().default("0s").describe("Connections are closed with 1001 after this, so that clients spread anew; 0s: never."),
  compression: z
    .boolean()
    .default(false)
    .describe(
      "Accept permessage-deflate from clients, without memory of earlier messages. Costs CPU. Danger: do not mix secrets and attacker-chosen text in one message.",
    ),
});

const hardening = z.strictObject({
  normalisePath: z.boolean().optional().describe("Resolve . and .. and doubled slashes before matching, and send that form on."),
  refuseEncodedSlashes: z.boolean().optional().describe("Refuse %2F, %5C, %00 and backslashes in the path."),
  refuseUnderscoreHeaders: z.boolean().optional().describe("Refuse header names with an underscore."),
  dropForwardedHeaders: z
    .boolean()
    .optional()
    .describe(
      "Drop X-Forwarded-*, Forwarded, X-Forwarded-Client-Cert and X-Request-Id unless the peer is in trustedProxies. Danger: off lets callers forge them.",
    ),
});

export const listenerSchema = z.strictObject({
  name: name(),
  direction: z
    .enum(["ingress", "egress", "inbound", "outbound"])
    .default("ingress")
    .describe("ingress: strangers come in; egress: our services go out; inbound and outbound: service to service."),
  bind: bindAddress().describe("host:port, such as 0.0.0.0:8443 or [::1]:8080."),
  protocol: z
    .enum(["http", "https", "h2", "h2c"])
    .describe(
      "http, https: HTTP/1.1 and WebSocket, plain or over TLS. h2: HTTP/2 and HTTP/1.1 on one TLS port, as ALPN says; " +
        "h2c: both on one plain port, as the first bytes say (RFC 9113 §3.3).",
    ),
  tls: tls.optional().describe("For protocols https and h2."),
  hostnames: z.array(hostname()).default([]).describe("Hosts served here, exact or *.example.com; others get 421. Empty: every host."),
  trustedProxies: z.array(cidr()).default([]).describe("CIDRs whose X-Forwarded-* and PROXY protocol are believed."),
  proxyProtocol,
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  webSocket: webSocket.prefault({}).describe("Limits of WebSockets; every route accepts upgrades, and the service decides."),
  http2: http2.optional().describe("Streams and windows of HTTP/2. h2 and h2c listeners only."),
  hardening: hardening.prefault({}).describe("Default: everything on for ingress, everything off elsewhere."),
});

function isIdleTimeoutOk(value: string): Flaw | null {
  const flaw = isDurationOk(value);
  if (flaw !== null) return flaw;
  const idleMs = parseDuration(value) as number;
  return idleMs === 0 || (idleMs >= MIN_IDLE_MS && idleMs <= MAX_IDLE_MS) ? null : { message: "must be 0s, or between 8s and 16m" };
}

export type Listener = z.output<typeof listenerSchema>;

/** Carried by our own codecs. */
export function isWireProtocol(protocol: Listener["protocol"] | undefined): boolean {
  return protocol === "h2" || protocol === "h2c";
}

/** The defaults that depend on who connects. */
const DIRECTION_DEFAULTS: Readonly<Record<Direction, { readonly maxBodyBytes: string | number; readonly isHardened: boolean }>> = {
  ingress: { maxBodyBytes: "10MiB", isHardened: true },
  egress: { maxBodyBytes: 0, isHardened: false },
  inbound: { maxBodyBytes: 0, isHardened: false },
  outbound: { maxBodyBytes: 0, isHardened: false },
};

export type CompleteListener = Listener & {
  limits: { maxBodyBytes: string | number; maxHeaderBytes: string | number };
  hardening: Record<keyof z.output<typeof hardening>, boolean>;
};

/** Only what a listener carries out is filled in, so that a complete document is a valid one. */
export type WireListener = Listener & {
  proxyProtocol: "off" | "optional" | "required";
  limits: { maxHeaderFields: number };
  timeouts: { requestHeader: string; keepAlive: string };
  http2: z.output<typeof http2>;
};

export function withWireDefaults(listener: Listener): WireListener {
  const { maxHandshakes, handshake } = wireTlsSettings(listener);
  const isTls = listener.protocol === "h2";
  const { limits, timeouts } = listener;
  return {
    ...listener,
    proxyProtocol: listener.proxyProtocol ?? WIRE_DEFAULTS.proxyProtocol,
    limits: {
      ...limits,
      maxHeaderFields: limits.maxHeaderFields ?? WIRE_DEFAULTS.limits.maxHeaderFields,
      ...(isTls ? { maxHandshakes } : {}),
    },
    timeouts: {
      ...timeouts,
      requestHeader: timeouts.requestHeader ?? WIRE_DEFAULTS.timeouts.requestHeader,
      keepAlive: timeouts.keepAlive ?? WIRE_DEFAULTS.timeouts.keepAlive,
      ...(isTls ? { handshake } : {}),
    },
    http2: listener.http2 ?? WIRE_DEFAULTS.http2,
  };
}

/** The parts that only TLS on our own codecs has. */
export function wireTlsSettings({ direction, tls, limits, timeouts }: Listener) {
  return {
    minVersion: tls?.minVersion ?? (direction === "inbound" ? "1.3" : "1.2"),
    handshake: timeouts.handshake ?? WIRE_TLS_DEFAULTS.timeouts.handshake,
    maxHandshakes: limits.maxHandshakes ?? WIRE_TLS_DEFAULTS.limits.maxHandshakes,
  } as const;
}

export function completeListener(given: Listener): CompleteListener {
  const listener = isWireProtocol(given.protocol) ? withWireDefaults(given) : given;
  const { maxBodyBytes, isHardened } = DIRECTION_DEFAULTS[listener.direction];
  const written = listener.hardening;
  const { limits } = listener;
  return {
    ...listener,
    limits: {
      ...limits,
      maxBodyBytes: limits.maxBodyBytes ?? maxBodyBytes,
      maxHeaderBytes: limits.maxHeaderBytes ?? (isWireProtocol(listener.protocol) ? "60KiB" : "16KiB"),
    },
    hardening: {
      normalisePath: written.normalisePath ?? isHardened,
      refuseEncodedSlashes: written.refuseEncodedSlashes ?? isHardened,
      refuseUnderscoreHeaders: written.refuseUnderscoreHeaders ?? isHardened,
      dropForwardedHeaders: written.dropForwardedHeaders ?? isHardened,
    },
  };
}
