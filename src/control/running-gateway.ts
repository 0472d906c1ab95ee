/**
 * What exists once in a running gateway, and how a snapshot is put into service: keys first, then the workers, then everything of the
 * primary that depends on it. Nothing is committed before all workers serve it.
 */
import { randomBytes } from "node:crypto";
import type { AuditTrail } from "../admin/audit.js";
import { AdminUnavailable } from "../admin/unavailable.js";
import type { UpgradeResult } from "../admin/views.js";
import { createHealthChecks, type HealthChecks } from "../discovery/health/health-checks.js";
import type { PreparedSources, Sources } from "../discovery/sources.js";
import { withWeights } from "../engine/model/endpoint-override.js";
import type { RegistrySpec } from "../engine/model/registry.js";
import type { AdminSpec, Snapshot } from "../engine/model/snapshot.js";
import { createMemoryLimitStore, type LimitStore } from "../limits/lease-store.js";
import { endpointMetrics } from "../telemetry/endpoint-metrics.js";
import { createMetricsAggregator, type MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { type AdminSeat, createAdminSeat } from "./admin-seat.js";
import { createAdmin } from "./admin-views.js";
import { type ConfigurationService, createConfigurationService, type FirstConfiguration } from "./configuration/configuration-service.js";
import type { GuardFile } from "./configuration/guard-file.js";
import type { LastChange, PutOutcome, Served } from "./configuration/live-configuration.js";
import { readRouteTotals } from "./configuration/route-totals.js";
import type { EndpointMemory } from "./endpoint-memory.js";
import { endpointReadings } from "./endpoint-readings.js";
import { createExplainTokenIssuer } from "./explain-tokens.js";
import { createGatewayRegistry, type GatewayRegistry } from "./gateway-registry.js";
import { createGatewaySources } from "./gateway-sources.js";
import type { KeeperLink } from "./keeper-client.js";
import type { Predecessor } from "./keeper-protocol.js";
import { createKeySets, type KeySets, type PreparedKeySets } from "./key-sets.js";
import { needsRoll } from "./needs-roll.js";
import { addressLimitProblem, maxSockets } from "./open-files.js";
import { logOutcome } from "./outcome-log.js";
import { createEndpointOverrides, type EndpointOverrides } from "./overrides/endpoint-overrides.js";
import type { OverrideFile } from "./overrides/override-file.js";
import { createOverrideViews } from "./overrides/override-views.js";
import type { KeySetMessage } from "./protocol.js";
import { endpointStates, type KnownOfEndpoints } from "./service-views.js";
import { explain, type LiveFacts } from "./simulation/simulator.js";
import { createTicketKeys, type TicketKeys } from "./ticket-keys.js";
import type { VersionStore } from "./version-store.js";
import { createWorkerPool, type WorkerFailure, type WorkerPool } from "./worker-pool.js";

export interface GatewayParts {
  readonly first: FirstConfiguration;
  readonly history: VersionStore;
  readonly guardFile: GuardFile;
  readonly endpointMemory: EndpointMemory;
  readonly overrideFile: OverrideFile;
  readonly isSingle: boolean;
  /** Of Windrose. */
  readonly version: string;
  readonly audit: AuditTrail;
  /** Null: this process stands alone. */
  readonly keeper: KeeperLink | null;
  readonly log: ProcessLog;
}

/** How long workers may wait for keys that have to be fetched and endpoints that have to be found; later they arrive by themselves. */
const FETCH_WAIT_MS = 2_000;

export interface RunningGateway {
  readonly pool: WorkerPool;
  readonly adminPort: number;
  /** 0: there is none. */
  readonly registryPort: number;
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
  readonly #registry: GatewayRegistry;
  readonly #sources: Sources;
  readonly #overrides: EndpointOverrides;
  readonly #tickets: TicketKeys;
  readonly #health: HealthChecks;
  readonly #known: KnownOfEndpoints = {
    recordOf: (service, endpoint) => this.#health.recordOf(service, endpoint),
    overrideOf: (service, endpoint) => this.#overrides.of(service, endpoint),
    endpointsOf: (service) => this.#sources.endpointsOf(service),
  };
  readonly #liveFacts: LiveFacts = {
    keys: {
      current: (provider) => this.#keys.current(provider),
      refresh: (provider) => this.#keys.refresh(provider),
    },
    endpointStates: async (services) => endpointStates(await this.pool.inspect(services), this.#known),
    endpointsOf: (service) => withWeights(this.#sources.endpointsOf(service), this.#overrides.ofService(service)),
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
    this.#registry = createGatewayRegistry((message) => log.warn(message));
    this.#sources = createGatewaySources(snapshot.services, {
      onUpdate: (update) => {
        this.pool.broadcast({ type: "endpoints", ...update });
        this.#followHealth(this.served.snapshot);
      },
      registry: this.#registry,
      memory: parts.endpointMemory,
      metrics: this.#metrics,
      log,
    });
    this.#overrides = createEndpointOverrides({
      file: parts.overrideFile,
      onChange: (list) => this.pool.broadcast({ type: "overrides", ...list }),
      log: (message) => log.info(message),
    });
    this.#metrics.addMetrics(() =>
      endpointMetrics(
        endpointReadings(this.served.snapshot.services, { sources: this.#sources, health: this.#health, overrides: this.#overrides }),
      ),
    );
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
        known: this.#known,
        overrides: createOverrideViews({
          overrides: this.#overrides,
          services: () => this.served.snapshot.services,
          sources: this.#sources,
        }),
        sources: this.#sources,
        metrics: this.#metrics,
        audit: parts.audit,
        log,
      }),
    );
  }

  get served(): Served {
    return this.#configuration.served;
  }

  get registryPort(): number {
    return this.#registry.port;
  }

  get adminPort(): number {
    return this.#admin.port;
  }

  async start(): Promise<void> {
    const { snapshot } = this.served;
    if (this.#parts.keeper?.predecessor != null) this.#holdWrites();
    await Promise.race([Promise.all([this.#keys.start(), this.#sources.start()]), delay(FETCH_WAIT_MS)]);
    this.#followHealth(snapshot);
    this.failure = await this.#bringUp(snapshot);
    this.#isServed(snapshot.version);
    const { keeper, history, endpointMemory, log } = this.#parts;
    keeper?.onHandOver({
      release: async () => {
        await this.#configuration.suspend();
        this.#admin.release();
        endpointMemory.stop();
        this.#overrides.suspend();
        history.close();
        // Its store may be slow; the keeper waits longer.
        await this.#registry.release();
      },
      resume: () => {
        this.#configuration.resume();
        endpointMemory.resume();
        this.#overrides.resume();
        void this.#registry.resume().then((problem) => problem !== null && log.error(problem));
        return this.#admin.resume().catch((error) => log.error({ err: error }, "the admin listener could not be taken back"));
      },
    });
    keeper?.beWatched(() => PRIMARY_PATIENCE * this.served.snapshot.supervision.stallTimeoutMs);
    keeper?.onLost(() => log.error("the keeper process has gone: this primary goes on without one; send signals to it"));
  }

  /** Beside a predecessor, the workers come first: it keeps its admin port until they serve. */
  async #bringUp({ admin, registry }: Snapshot): Promise<WorkerFailure | null> {
    const { keeper, log } = this.#parts;
    if (keeper?.predecessor == null) {
      return (await this.#openAdmin(admin)) ?? (await this.#openRegistry(registry)) ?? (await this.pool.start());
    }
    const failure = await this.pool.start();
    if (failure !== null) return failure;
    await keeper.takeOver();
    await this.#configuration.takeOver();
    this.#takeOverWrites();
    await this.#admin.openPatiently(this.served.snapshot.admin, adminPortOf(keeper.predecessor));
    const problem = await this.#registry.movePatiently(this.served.snapshot.registry, registryPortOf(keeper.predecessor));
    if (problem !== null) log.error(problem);
    return null;
  }

  /** What is kept on disk is its predecessor's until it hands over. */
  #holdWrites(): void {
    this.#parts.endpointMemory.stop();
    this.#overrides.suspend();
  }

  #takeOverWrites(): void {
    this.#parts.endpointMemory.resume();
    // The predecessor may have been told something since this process began.
    this.#overrides.readAgain();
    this.#overrides.resume();
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

  async #openRegistry(spec: RegistrySpec | null): Promise<WorkerFailure | null> {
    const message = await this.#registry.move(spec);
    return message === null ? null : { message, isUnavailable: true };
  }

  reload(): void {
    this.#configuration.reload({ source: "signal", author: "", note: "" });
  }

  async stop(drainTimeoutMs: number, isReplaced = false): Promise<void> {
    this.#configuration.stop();
    this.#tickets.stop();
    this.#health.stop();
    if (isReplaced) this.#overrides.suspend();
    await this.pool.stop(drainTimeoutMs, isReplaced);
    this.#keys.stop();
    this.#sources.stop();
    this.#parts.endpointMemory.stop();
    await this.#registry.close();
    await this.#admin.close();
    // Operators may take something back while this process drains: that is kept.
    this.#overrides.suspend();
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
      currentOverrides: () => ({ type: "overrides", ...this.#overrides.list() }),
      currentEndpoints: () => this.#sources.updates().map((update) => ({ type: "endpoints", ...update })),
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
    const prepared = await this.#prepare(next);
    const problem = await this.#moveSeats(next, previous);
    if (problem !== null) {
      for (const part of prepared) part.cancel();
      return { isServed: false, message: problem };
    }
    // Before the snapshot that needs them, on the same pipe.
    for (const part of prepared) part.commit();
    const outcome = await this.#serve(next, previous).catch((error: Error): PutOutcome => {
      this.#parts.log.error({ err: error }, "bug: a snapshot could not be put into service");
      return { isServed: false, message: error.message };
    });
    if (outcome.isServed) {
      this.#limits.setMaxKeys(next.limits.maxKeys);
      this.#isServed(next.version);
      this.#followHealth(next);
    } else await this.#goBack(previous);
    return outcome;
  }

  /** What is asked for over the network; what has not answered in time comes later. */
  async #prepare({ jwtProviders, services }: Snapshot): Promise<readonly Prepared[]> {
    const prepared = [this.#keys.prepare(jwtProviders), this.#sources.prepare(services)];
    await Promise.race([Promise.all(prepared.map(({ ready }) => ready)), delay(FETCH_WAIT_MS)]);
    return prepared;
  }

  #isServed(version: string): void {
    this.#metrics.recordSnapshot(version);
    this.#parts.keeper?.tellServing(version);
  }

  /** With the endpoints that are known now. */
  #followHealth({ services }: Snapshot): void {
    this.#health.follow(services.map((service) => ({ ...service, endpoints: this.#sources.endpointsOf(service.name) })));
  }

  /** The addresses of the primary itself; null, or why one of them cannot be had. */
  async #moveSeats(next: Snapshot, previous: Snapshot): Promise<string | null> {
    const problem = await this.#registry.move(next.registry);
    if (problem !== null) return problem;
    const adminProblem = await this.#admin.move(next.admin);
    if (adminProblem === null) return null;
    const lost = await this.#registry.move(previous.registry);
    return lost === null ? `admin: ${adminProblem}` : `admin: ${adminProblem}; ${lost}`;
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
    for (const part of await this.#prepare(previous)) part.commit();
    const problem = await this.#moveSeats(previous, previous);
    if (problem !== null) this.#parts.log.error(`the addresses of before could not be taken again: ${problem}`);
    // Workers that served the other one have forgotten what it did not have.
    for (const health of this.#health.state()) this.pool.broadcast({ type: "health", ...health });
  }

  #report(last: LastChange, served: Served): void {
    if (last.outcome.result === "rejected" || last.outcome.result === "failed") this.#metrics.recordRejectedSnapshot();
    logOutcome(this.#parts.log, last, served);
  }
}

/** Its work comes in larger pieces than that of workers, and nobody waits for it at once. */
const PRIMARY_PATIENCE = 3;

type Prepared = PreparedKeySets | PreparedSources;

/** A port that the system chose for the predecessor stays what it is. */
function adminPortOf({ readyLine }: Predecessor): number {
  return (JSON.parse(readyLine) as { readonly admin: { readonly port: number } }).admin.port;
}

function registryPortOf({ readyLine }: Predecessor): number {
  return (JSON.parse(readyLine) as { readonly registry?: { readonly port: number } | null }).registry?.port ?? 0;
}

async function upgrade(keeper: KeeperLink | null): Promise<UpgradeResult> {
  if (keeper === null) return { result: "unsupported", message: "a gateway that runs as one process is restarted instead" };
  const outcome = await keeper.requestUpgrade();
  return outcome.result === "upgraded" ? { result: "started", pid: outcome.pid } : outcome;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
