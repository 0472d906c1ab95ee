// The @fastify/http-proxy contestant. Arguments: node_modules directory, port, backend port, certificate and key (for TLS).
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const [modules, port, backendPort, cert, key] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const https = cert ? { https: { cert: readFileSync(cert), key: readFileSync(key) } } : {};
const app = load("fastify")({ logger: false, keepAliveTimeout: 75_000, bodyLimit: 10 * 1024 * 1024, ...https });

app.register(load("@fastify/http-proxy"), {
  upstream: `http://127.0.0.1:${backendPort}`,
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 60_000 },
});
app.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 }).catch((error) => {
  console.error(error);
  process.exit(1);
});
