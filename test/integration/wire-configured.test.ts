/** What a configuration says about `h2` and `h2c` listeners arrives where it should: client certificates, PROXY protocol, limits, trailers. */
import assert from "node:assert/strict";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { after, before, describe, it } from "node:test";
import { type CertificateFiles, developmentCertificates } from "../support/certificates.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, exchangeRaw, hasResponses } from "../support/raw-socket.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";
import { issueCertificate } from "./client-certificates.js";

const authority = issueCertificate({ subject: "CN=partners", isAuthority: true });
const partner = issueCertificate({ subject: "CN=partner", issuer: authority });

describe("configured listeners on own codecs", () => {
  let upstream: HttpUpstream;
  let certificates: CertificateFiles;
  let gateway: Gateway;

  before(async () => {
    certificates = await developmentCertificates();
    upstream = await startHttpUpstream((_request, response) => {
      response.writeHead(200, { trailer: "x-sum" });
      response.write("body");
      response.addTrailers({ "x-sum": "42" });
      response.end();
    });
    gateway = await startGateway(
      `
listeners:
  - name: partners
    bind: 127.0.0.1:0
    protocol: h2
    tls: { certificates: [{ cert: edge.pem, key: edge-key.pem }], minVersion: "1.3", clientAuth: { mode: require, ca: partners.pem } }
  - name: behind
    bind: 127.0.0.1:0
    protocol: h2c
    trustedProxies: [127.0.0.0/8]
    proxyProtocol: required
  - name: small
    bind: 127.0.0.1:0
    protocol: h2c
    hostnames: [a.test]
    limits: { maxHeaderBytes: 2KiB, maxHeaderFields: 10, maxBodyBytes: 10 }
    timeouts: { requestHeader: 300ms, keepAlive: 300ms }
    http2: { maxConcurrentStreams: 3 }
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files: { ...certificates, "partners.pem": authority.cert } },
    );
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  it("ask for a client's certificate and serve nobody without one", async () => {
    const url = `https://localhost:${gateway.port("partners")}/`;
    const ca = certificates["ca.pem"];
    assert.equal((await fetchOnce(url, { ca, ...partner })).text, "body");
    await assert.rejects(fetchOnce(url, { ca }));
    await assert.rejects(fetchOnce(url, { ca, ...partner, maxVersion: "TLSv1.2" } as never));
  });

  it("log and forward the address that a PROXY header tells", async () => {
    const text = await exchangeRaw(
      { port: gateway.port("behind") },
      "PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\nGET /proxied HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n",
    );
    assert.match(text, /^HTTP\/1\.1 200 /);
    const received = upstream.requests.find((request) => request.target === "/proxied");
    assert.equal(received?.headers["x-forwarded-for"], "203.0.113.9");
    const line = await eventually(() => logLines(gateway.stdout()).find((entry) => entry.path === "/proxied"), "the line in the log");
    assert.ok(Object.values(line).includes("203.0.113.9"), JSON.stringify(line));
    assert.equal(await exchangeRaw({ port: gateway.port("behind") }, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").catch(() => ""), "");
  });

  it("keep to their limits and times", async () => {
    const port = gateway.port("small");
    assert.match(await exchangeRaw({ port }, `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${"x".repeat(2_500)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    assert.match(await exchangeRaw({ port }, `GET / HTTP/1.1\r\nHost: a.test\r\n${"X: 1\r\n".repeat(12)}\r\n`), /^HTTP\/1\.1 431 /);
    assert.match(await exchangeRaw({ port }, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\n"), /^HTTP\/1\.1 413 /);
    assert.match(await exchangeRaw({ port }, "GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 421 /);
    assert.match(await exchangeRaw({ port }, "GET / HTTP/1.1\r\nHo"), /^HTTP\/1\.1 408 /);
    const idle = await connectRaw({ port });
    idle.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await idle.until((text) => hasResponses(text, 1));
    await idle.untilClosed();
    const session = connect(`http://127.0.0.1:${port}`);
    const settings = await new Promise<{ maxConcurrentStreams?: number }>((resolve) => session.once("remoteSettings", resolve));
    assert.equal(settings.maxConcurrentStreams, 3);
    session.destroy();
  });

  it("hand the trailers of a service to a client of HTTP/2", async () => {
    const session = connect(`https://localhost:${gateway.port("partners")}`, { ca: certificates["ca.pem"], ...partner });
    const stream = session.request({ ":path": "/", te: "trailers" });
    const trailers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
      stream.once("trailers", resolve);
      stream.once("error", reject);
      stream.resume();
    });
    assert.equal(trailers["x-sum"], "42");
    session.destroy();
  });
});
