import assert from "node:assert/strict";
import { it } from "node:test";
import { reasonOf, ServersInTurn } from "../../../src/discovery/http/servers-in-turn.js";

const NEVER = new AbortController().signal;

function asking(failing: ReadonlySet<string>): { asked: string[]; ask: (url: string) => Promise<string> } {
  const asked: string[] = [];
  const ask = async (url: string): Promise<string> => {
    asked.push(url);
    if (failing.has(url)) throw new Error(`${url} is down`);
    return url;
  };
  return { asked, ask };
}

it("a server is asked for as long as it answers, then the next", async () => {
  const servers = new ServersInTurn(["a", "b", "c"]);
  const failing = new Set(["a"]);
  const { asked, ask } = asking(failing);
  assert.equal(await servers.ask(ask, NEVER), "b");
  assert.equal(servers.note, "b answers, after a: a is down");
  failing.clear();
  assert.equal(await servers.ask(ask, NEVER), "b");
  assert.equal(servers.note, "");
  servers.passOver(new Error("it broke off"));
  assert.equal(await servers.ask(ask, NEVER), "c");
  assert.equal(servers.note, "c answers, after b: it broke off");
  assert.deepEqual(asked, ["a", "b", "b", "c"]);
});

it("when all fail the message is the same whichever was asked first", async () => {
  const servers = new ServersInTurn(["a", "b"]);
  const { asked, ask } = asking(new Set(["a", "b"]));
  const message = /^Error: a: a is down; b: b is down$/;
  await assert.rejects(servers.ask(ask, NEVER), message);
  servers.passOver(new Error("it broke off"));
  await assert.rejects(servers.ask(ask, NEVER), message);
  assert.deepEqual(asked, ["a", "b", "b", "a"]);
});

it("none is asked any more when it is told to stop", async () => {
  const { asked, ask } = asking(new Set(["a", "b"]));
  await assert.rejects(new ServersInTurn(["a", "b"]).ask(ask, AbortSignal.abort()), /^Error: a is down$/);
  assert.deepEqual(asked, ["a"]);
});

it("a failure without a message has a reason all the same", () => {
  assert.equal(reasonOf(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })), "ECONNREFUSED");
  assert.equal(reasonOf(new Error("no")), "no");
  assert.equal(reasonOf({}), "unknown error");
  assert.equal(reasonOf(new Error(`two\nlines ${"x".repeat(1_000)}`)), `two lines ${"x".repeat(290)}`);
});
