/**
 * Nothing is measured before it was seen to do the job: right status, right body, and in the edge job a refusal without a
 * token, with a forged one and with an expired one. A fast gateway that does something else must not enter the table.
 */
import { request as requestPlain } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestTls } from "node:https";
import { answerBytes, type Fixtures, GRPC_MESSAGE, LARGE_BYTES, SMALL_BODY } from "./fixtures.js";
import type { Scenario } from "./scenarios.js";

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Throws with the first thing that is wrong. */
export async function verify(scenario: Scenario, fixtures: Fixtures, port: number, routes: number): Promise<void> {
  const token = scenario.isEdgeJob ? (fixtures.tokens[0] as string) : null;
  const paths = routes === 1 ? [scenario.path] : [`/r0${scenario.path}`, `/r${routes - 1}${scenario.path}`];
  for (const path of paths) expectSuccess(scenario, await ask(scenario, port, path, token));
  if (routes > 1) expectStatus(await ask(scenario, port, "/no-such-route", null), 404, "without a route");
  if (!scenario.isEdgeJob) return;
  expectStatus(await ask(scenario, port, scenario.path, null), 401, "without a token");
  expectStatus(await ask(scenario, port, scenario.path, fixtures.forgedToken), 401, "with a forged token");
  expectStatus(await ask(scenario, port, scenario.path, fixtures.expiredToken), 401, "with an expired token");
}

function expectSuccess(scenario: Scenario, { status, body }: Answer): void {
  if (status !== 200) throw new Error(`answered ${status} instead of 200`);
  const isRight =
    scenario.path === "/small" || scenario.method === "POST" ? body === SMALL_BODY : body.length === answerBytes(scenario.path);
  if (!isRight) throw new Error(`answered a wrong body of ${body.length} bytes`);
}

function expectStatus({ status }: Answer, expected: number, circumstance: string): void {
  if (status !== expected) throw new Error(`answered ${status} instead of ${expected} ${circumstance}`);
}

function ask(scenario: Scenario, port: number, path: string, token: string | null): Promise<Answer> {
  if (scenario.isGrpc) return callGrpc(port, path);
  return scenario.http === "2" ? askHttp2(port, path) : askHttp1(scenario, port, path, token);
}

function askHttp2(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { servername: "localhost", rejectUnauthorized: false });
    const stream = session.request({ ":path": path, ":authority": "localhost" });
    let status = 0;
    let text = "";
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    session.once("error", fail);
    stream.setTimeout(5000, () => fail(new Error("no answer within 5 s")));
    stream.once("error", fail);
    stream.once("response", (headers) => {
      status = Number(headers[":status"]);
    });
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    stream.once("end", () => {
      session.close();
      resolve({ status, body: text });
    });
  });
}

/** A call that failed has status 200, too: what counts is in the trailers. */
function callGrpc(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const fields = { ":method": "POST", ":path": path, ":authority": "localhost", "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(fields);
    const chunks: Buffer[] = [];
    let grpcStatus = "none";
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    session.once("error", fail);
    stream.setTimeout(5000, () => fail(new Error("no answer within 5 s")));
    stream.once("error", fail);
    stream.once("trailers", (trailers) => {
      grpcStatus = String(trailers["grpc-status"]);
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("end", () => {
      session.close();
      const isRight = grpcStatus === "0" && Buffer.concat(chunks).equals(GRPC_MESSAGE);
      if (isRight) resolve({ status: 200, body: SMALL_BODY });
      else reject(new Error(`a call ended with gRPC status ${grpcStatus} and ${Buffer.concat(chunks).length} bytes`));
    });
    stream.end(GRPC_MESSAGE);
  });
}

function askHttp1(scenario: Scenario, port: number, path: string, token: string | null): Promise<Answer> {
  const body = scenario.method === "POST" ? "x".repeat(LARGE_BYTES) : "";
  const headers: Record<string, string | number> = { host: "localhost", ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
  if (body !== "") headers["content-length"] = body.length;
  const common = { host: "127.0.0.1", port, path, method: scenario.method, headers, agent: false as const, timeout: 5000 };
  return new Promise((resolve, reject) => {
    const request = scenario.isTls ? requestTls({ ...common, servername: "localhost", rejectUnauthorized: false }) : requestPlain(common);
    request.once("error", reject);
    request.once("timeout", () => request.destroy(new Error("no answer within 5 s")));
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    request.end(body);
  });
}
