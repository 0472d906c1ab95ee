/**
 * A conversation with ZooKeeper: a session of its own in which the children of a node are read, and again whatever changes. When it
 * ends, the next begins with another server and reads all: sessions are not carried over, because nothing here depends on them.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { ZooKeeperSourceSpec } from "../../engine/model/endpoint-source.js";
import type { GatheredEndpoints } from "../endpoint-value.js";
import type { Follow } from "../follower.js";
import { reasonOf, ServersInTurn } from "../http/servers-in-turn.js";
import { joinNotes, MAX_ENDPOINTS } from "../source.js";
import { Wake } from "../wake.js";
import { KnownNodes } from "./known-nodes.js";
import { meaningOf, NO_AUTH, NO_NODE, type NodeData, OPCODE, readNodeData, watchingRequest } from "./messages.js";
import { openSession, type Session } from "./session.js";

/** Servers hold back clients that have more under way. */
const AT_ONCE = 128;
/** What servers do not tell, such as other rights, is not missed for long. */
const MAX_AGE_MS = 300_000;
/** Some seconds, because pauses between them grow. */
const PATIENT_ROUNDS = 3;
/** Changes within it are told together. */
const LEAST_GAP_MS = 200;

export function followChildren(spec: ZooKeeperSourceSpec): Follow {
  const servers = new ServersInTurn(shuffled(spec.servers));
  const failure = (reason: string, cause: unknown): Error => new Error(`ZooKeeper cannot tell ${spec.path} (${reason})`, { cause });
  let lastSeen = 0n;
  let failedRounds = 0;

  return async (found, stop) => {
    const tell: Tell = ({ endpoints, note }, trouble) => found(endpoints, { failure: trouble, note: joinNotes(note, servers.note) });
    const conversation = await servers
      .ask((server) => beginConversation({ spec, tell, server, lastSeen, stop }), stop)
      .catch((error: unknown) => {
        // A server that is behind what was seen catches up soon, or never, because all have begun with nothing.
        if (++failedRounds % PATIENT_ROUNDS === 0) lastSeen = 0n;
        throw failure(reasonOf(error), error);
      });
    failedRounds = 0;
    try {
      await conversation.goOn(stop);
    } catch (error) {
      const server = servers.current;
      servers.passOver(error);
      throw failure(`${server}: ${reasonOf(error)}`, error);
    } finally {
      lastSeen = conversation.session.lastSeen;
      conversation.session.close();
    }
  };
}

/** @param trouble "" for none */
type Tell = (gathered: GatheredEndpoints, trouble: string) => void;

interface BeginOptions {
  readonly spec: ZooKeeperSourceSpec;
  readonly tell: Tell;
  readonly server: string;
  readonly lastSeen: bigint;
  readonly stop: AbortSignal;
}

/** Everything has been read once. */
async function beginConversation({ spec, tell, ...options }: BeginOptions): Promise<Conversation> {
  const news = new Wake();
  const nodes = new KnownNodes(spec.path, spec);
  const session = await openSession({
    ...spec,
    ...options,
    onEvent(event, path) {
      nodes.event(event, path);
      news.set();
    },
    onPong: () => news.set(),
    onEnd: () => news.set(),
  });
  const conversation = new Conversation({ path: spec.path, session, nodes, news, tell });
  try {
    await conversation.catchUp();
  } catch (error) {
    session.close();
    throw error;
  }
  return conversation;
}

interface ConversationParts {
  readonly path: string;
  readonly session: Session;
  readonly nodes: KnownNodes;
  readonly news: Wake;
  readonly tell: Tell;
}

class Conversation {
  readonly session: Session;
  readonly #parts: ConversationParts;
  #isMissing = false;

  constructor(parts: ConversationParts) {
    this.session = parts.session;
    this.#parts = parts;
  }

  /** Resolves when it has lasted long enough, rejects when the session ends. */
  async goOn(stop: AbortSignal): Promise<void> {
    const { nodes, news } = this.#parts;
    // Many gateways that began together do not begin anew together.
    const endAt = performance.now() + MAX_AGE_MS * (0.75 + 0.5 * Math.random());
    while (performance.now() < endAt) {
      this.#tell();
      await pause(LEAST_GAP_MS, undefined, { signal: stop, ref: false });
      await news.wait();
      if (this.session.error !== null) throw this.session.error;
      // Whoever may not read a node is not told that it was created.
      if (this.#isMissing) nodes.mustList();
      await this.catchUp();
    }
  }

  async catchUp(): Promise<void> {
    const { nodes } = this.#parts;
    if (nodes.takeList()) nodes.list(await this.#list());
    const names = nodes.takeReads();
    for (let i = 0; i < names.length; i += AT_ONCE) {
      await Promise.all(names.slice(i, i + AT_ONCE).map((name) => this.#read(name)));
    }
  }

  async #list(): Promise<readonly string[]> {
    const { path } = this.#parts;
    for (;;) {
      const { error, body } = await this.session.send((xid) => watchingRequest(xid, OPCODE.getChildren, path));
      this.#isMissing = error === NO_NODE;
      if (error === 0) return body.texts(MAX_ENDPOINTS);
      if (error !== NO_NODE) throw new Error(meaningOf(error));
      // Asking whether it exists is the way to be told when it does.
      const answer = await this.session.send((xid) => watchingRequest(xid, OPCODE.exists, path));
      if (answer.error === NO_NODE) return [];
      if (answer.error !== 0) throw new Error(meaningOf(answer.error));
    }
  }

  async #read(name: string): Promise<void> {
    const { path, nodes } = this.#parts;
    const { error, body } = await this.session.send((xid) => watchingRequest(xid, OPCODE.getData, `${path}/${name}`));
    if (error === 0) nodes.read(name, readNodeData(body));
    else if (error === NO_NODE) nodes.drop(name);
    else if (error === NO_AUTH) nodes.read(name, HIDDEN);
    else throw new Error(meaningOf(error));
  }

  #tell(): void {
    const { path, nodes, tell } = this.#parts;
    // Recipes remove a node with its last child, so the conversation goes on.
    tell(nodes.gather(), this.#isMissing ? `ZooKeeper has no node ${path}` : "");
  }
}

/** What one service hides must not keep the others from being found; its name may say enough. */
const HIDDEN: NodeData = { text: "", writtenAt: 0n };

function shuffled(servers: readonly string[]): string[] {
  const keyed = servers.map((server) => ({ server, key: Math.random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ server }) => server);
}
