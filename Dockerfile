# syntax=docker/dockerfile:1
# The HTTP engine is a native binary: glibc (not Alpine), and the same Node.js major version in every stage.

FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN node_modules/.bin/tsc -p tsconfig.json --incremental false --tsBuildInfoFile null

FROM node:22-bookworm-slim AS packages
WORKDIR /packages
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /opt/windrose
COPY --from=packages /packages/node_modules node_modules
COPY --from=build /build/dist/src dist/src
COPY package.json LICENSE ./
COPY config config
USER node
EXPOSE 8080 8443
# Finishes what is in flight, then exits; give it longer than the configuration's drain timeout (30 s).
STOPSIGNAL SIGTERM
# The admin listener's default address; set WINDROSE_ADMIN when the configuration binds it elsewhere.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch((process.env.WINDROSE_ADMIN || 'http://127.0.0.1:9901') + '/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["run", "-c", "/etc/windrose/windrose.yaml"]
