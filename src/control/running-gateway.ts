/**
 * What exists once in a running gateway, and how a snapshot is put into service: keys first, then the workers, then everything of the
 * primary that depends on it. Nothing is committed before all workers serve it.
 */
import { randomBytes } from "node:crypto";
import type { AuditTrail } from "../admin/audit.js";
import { AdminUnavailable } from "../admin/unavailable.js";
import type { UpgradeResult } from "../admin/views.js";
import { createHealthChecks, type HealthChecks } from "../discovery/health/health-checks.js";
import type { AdminSpec, Snapshot } from "../engine/model/snapshot.js";
import { createMemoryLimitStore, type LimitStore } from "../limits/lease-store.js";
import { createMetricsAggregator, type MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { type AdminSeat, createAdminSeat } from "./admin-seat.js";
import { createAdmin } from "./admin-views.js";
import { type ConfigurationService, createConfigurationService, type FirstConfiguration } from "./configuration/configuration-service.js";
import type { GuardFile } from "./configuration/guard-file.js";
import type { LastChange, PutOutcome, Served } from "./configuration/live-configuration.js";
import { readRouteTotals } from "./configuration/route-totals.js";
import { createExplainTokenIssuer } from "./explain-tokens.js";
import type { KeeperLink } from "./keeper-client.js";
import type { Predecessor } from "./keeper-protocol.js";
import { createKeySets, type KeySets } from "./key-sets.js";
import { needsRoll } from "./needs-roll.js";
import { addressLimitProblem, maxSockets } from "./open-files.js";
import { logOutcome } from "./outcome-log.js";
import type { KeySetMessage } from "./protocol.js";
import { endpointStates } from "./service-views.js";
import { explain, type LiveFacts } from "./simulation/simulator.js";
import { createTicketKeys, type TicketKeys } from "./ticket-keys.js";
import type { VersionStore } from "./version-store.js";
import { createWorkerPool, type WorkerFailure, type WorkerPool } from "./worker-pool.js";

export interface GatewayParts {
  readonly first: FirstConfiguration;
  readonly history: VersionStore;
  readonly guardFile: GuardFile;
  readonly isSingle: boolean;
  /** Of Windrose. */
  readonly version: string;
  readonly audit: AuditTrail;
  /** Null: this process stands alone. */
  readonly keeper: KeeperLink | null;
  readonly log: ProcessLog;
}

/** How long workers may wait for keys that have to be fetched; later they arrive by themselves. */
const KEYS_WAIT_MS = 2_000;

export interface RunningGateway {
  readonly pool: WorkerPool;
  readonly adminPort: number;
  readonly served: Served;
  /** When the workers could not start. */
  readonly failure: WorkerFailure | null;
  /** Reads the configuration from disk again. */
  reload(): void;
  /** @param isReplaced by another primary, whose workers serve already */
  stop(drainTimeoutMs: number, isReplaced?: boolean): Promise<void>;
}

export async function startGateway(parts: GatewayParts): Promise<RunningGateway> {
  const gateway = new Running(parts);
  await gateway.start();
  return gateway;
}

class Running implements RunningGateway {
  readonly pool: WorkerPool;
  failure: WorkerFailure | null = null;
  readonly #parts: GatewayParts;
  readonly #metrics: MetricsAggregator;
  readonly #limits: LimitStore;
  readonly #keys: KeySets;
  readonly #tickets: TicketKeys;
  readonly #health: HealthChecks;
  readonly #liveFacts: LiveFacts = {
    keys: {
      current: (provider) => this.#keys.current(provider),
      refresh: (provider) => this.#keys.refresh(provider),
    },
    endpointStates: async (services) => endpointStates(await this.pool.inspect(services), this.#health),
  };
  readonly #explainTokens = createExplainTokenIssuer();
  readonly #configuration: ConfigurationService;
  readonly #admin: AdminSeat;

  constructor(parts: GatewayParts) {
    const { first, version, log } = parts;
    const { snapshot } = first;
    this.#parts = parts;
    this.#metrics = createMetricsAggregator({ version });
    this.#limits = createMemoryLimitStore({ maxKeys: snapshot.limits.maxKeys });
    this.#keys = createKeySets(snapshot.jwtProviders, {
      onUpdate: (provider, version, jwks) => this.pool.broadcast({ type: "keys", provider, version, jwks }),
      log: (message) => log.warn(message),
    });
    this.#tickets = createTicketKeys((rotated) => this.pool.broadcast({ type: "ticketKeys", keys: rotated }));
    this.#health = createHealthChecks({
      onChange: (health) => this.pool.broadcast({ type: "health", ...health }),
      log: (message) => log.warn(message),
      random: Math.random,
    });
    this.pool = this.#createPool();
    this.#configuration = this.#createConfiguration();
    this.#admin = createAdminSeat((spec) =>
      createAdmin({
        version,
        spec,
        served: () => this.served,
        configuration: this.#configuration.views,
        pool: this.pool,
        health: this.#health,
        metrics: this.#metrics,
        audit: parts.audit,
        log,
      }),
    );
  }

  get served(): Served {
    return this.#configuration.served;
  }

  get adminPort(): number {
    return this.#admin.port;
  }

  async start(): Promise<void> {
    const { snapshot } = this.served;
    await Promise.race([this.#keys.start(), delay(KEYS_WAIT_MS)]);
    this.#health.follow(snapshot.services);
    this.failure = await this.#bringUp(snapshot.admin);
    this.#isServed(snapshot.version);
    const { keeper, history, log } = this.#parts;
    keeper?.onHandOver({
      release: async () => {
        await this.#configuration.suspend();
        this.#admin.release();
        history.close();
      },
      resume: () => {
        this.#configuration.resume();
        return this.#admin.resume().catch((error) => log.error({ err: error }, "the admin listener could not be taken back"));
      },
    });
    keeper?.onLost(() => log.error("the keeper process has gone: this primary goes on without one; send signals to it"));
  }

  /** Beside a predecessor, the workers come first: it keeps its admin port until they serve. */
  async #bringUp(admin: AdminSpec): Promise<WorkerFailure | null> {
    const { keeper } = this.#parts;
    if (keeper?.predecessor == null) {
      return (await this.#openAdmin(admin)) ?? (await this.pool.start());
    }
    const failure = await this.pool.start();
    if (failure !== null) return failure;
    await keeper.takeOver();
    await this.#configuration.takeOver();
    await this.#admin.openPatiently(this.served.snapshot.admin, adminPortOf(keeper.predecessor));
    return null;
  }

  async #openAdmin(admin: AdminSpec): Promise<WorkerFailure | null> {
    try {
      await this.#admin.open(admin);
      return null;
    } catch (error) {
      if (!(error instanceof AdminUnavailable)) throw error;
      return { message: error.message, isUnavailable: true };
    }
  }

  reload(): void {
    this.#configuration.reload({ source: "signal", author: "", note: "" });
  }

  async stop(drainTimeoutMs: number, isReplaced = false): Promise<void> {
    this.#configuration.stop();
    this.#tickets.stop();
    this.#health.stop();
    await this.pool.stop(drainTimeoutMs, isReplaced);
    this.#keys.stop();
    await this.#admin.close();
  }

  #createPool(): WorkerPool {
    const { first, isSingle, keeper, log } = this.#parts;
    return createWorkerPool({
      snapshot: first.snapshot,
      isSingle,
      instance: randomBytes(6).toString("hex"),
      maxSockets: (snapshot) => maxSockets(snapshot, isSingle, log),
      keeper,
      ticketKeys: () => this.#tickets.current,
      explainSecret: this.#explainTokens.secret,
      currentKeys: () => this.#keys.state().flatMap(({ provider }) => this.#keySetMessage(provider)),
      currentHealth: () => this.#health.state().map((health) => ({ type: "health", ...health })),
      services: {
        lease: (request) => this.#limits.lease(request),
        refreshKeys: (provider) => this.#keys.refresh(provider),
        recordMetrics: (workerId, report) => this.#metrics.update(workerId, report),
      },
      metrics: this.#metrics,
      log,
    });
  }

  #createConfiguration(): ConfigurationService {
    const { first, history, guardFile, keeper, log } = this.#parts;
    return createConfigurationService({
      first,
      guardFile,
      isTakingOver: keeper !== null && keeper.predecessor !== null,
      history,
      putIntoService: (next, previous) => this.#put(next, previous),
      needsRoll: (before, after) => needsRoll(before, after).length > 0,
      totals: async () => {
        await this.pool.collect();
        return readRouteTotals(this.#metrics);
      },
      lastTotals: () => readRouteTotals(this.#metrics),
      onOutcome: (last, served) => this.#report(last, served),
      views: {
        explain: (request) => explain(this.served.snapshot, request, this.#liveFacts),
        explainToken: ({ ttlMs }) => {
          const { token, expiresAtMs } = this.#explainTokens.issue(ttlMs, Date.now());
          return { token, expiresAt: new Date(expiresAtMs).toISOString() };
        },
        upgrade: () => upgrade(this.#parts.keeper),
      },
      log,
    });
  }

  #keySetMessage(provider: string): KeySetMessage[] {
    const current = this.#keys.current(provider);
    return current === null ? [] : [{ type: "keys", provider, ...current }];
  }

  async #put(next: Snapshot, previous: Snapshot): Promise<PutOutcome> {
    const unlimitable = addressLimitProblem(next.listeners);
    if (unlimitable !== null) return { isServed: false, message: unlimitable };
    const keys = this.#keys.prepare(next.jwtProviders);
    await Promise.race([keys.ready, delay(KEYS_WAIT_MS)]);
    const adminProblem = await this.#admin.move(next.admin);
    if (adminProblem !== null) {
      keys.cancel();
      return { isServed: false, message: `admin: ${adminProblem}` };
    }
    // Before the snapshot that needs them, on the same pipe.
    keys.commit();
    const outcome = await this.#serve(next, previous).catch((error: Error): PutOutcome => {
      this.#parts.log.error({ err: error }, "bug: a snapshot could not be put into service");
      return { isServed: false, message: error.message };
    });
    if (outcome.isServed) {
      this.#limits.setMaxKeys(next.limits.maxKeys);
      this.#isServed(next.version);
      this.#health.follow(next.services);
    } else await this.#goBack(previous);
    return outcome;
  }

  #isServed(version: string): void {
    this.#metrics.recordSnapshot(version);
    this.#parts.keeper?.tellServing(version);
  }

  async #serve(next: Snapshot, previous: Snapshot): Promise<PutOutcome> {
    const reasons = needsRoll(previous, next);
    if (reasons.length === 0) {
      const outcome = await this.pool.publish(next);
      if (outcome.result === "published") return { isServed: true, hasRolled: false };
      return { isServed: false, message: `worker ${outcome.workerId} cannot serve it: ${outcome.message}` };
    }
    this.#parts.log.info({ reasons }, "workers are replaced, because this cannot change in place");
    const outcome = await this.pool.roll(next);
    return outcome.result === "rolled" ? { isServed: true, hasRolled: true } : { isServed: false, message: outcome.message };
  }

  async #goBack(previous: Snapshot): Promise<void> {
    const keys = this.#keys.prepare(previous.jwtProviders);
    await Promise.race([keys.ready, delay(KEYS_WAIT_MS)]);
    keys.commit();
    await this.#admin.move(previous.admin);
    // Workers that served the other one have forgotten what it did not have.
    for (const health of this.#health.state()) this.pool.broadcast({ type: "health", ...health });
  }

  #report(last: LastChange, served: Served): void {
    if (last.outcome.result === "rejected" || last.outcome.result === "failed") this.#metrics.recordRejectedSnapshot();
    logOutcome(this.#parts.log, last, served);
  }
}

/** A port that the system chose for the predecessor stays what it is. */
function adminPortOf({ readyLine }: Predecessor): number {
  return (JSON.parse(readyLine) as { readonly admin: { readonly port: number } }).admin.port;
}

async function upgrade(keeper: KeeperLink | null): Promise<UpgradeResult> {
  if (keeper === null) return { result: "unsupported", message: "a gateway that runs as one process is restarted instead" };
  const outcome = await keeper.requestUpgrade();
  return outcome.result === "upgraded" ? { result: "started", pid: outcome.pid } : outcome;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
