#!/bin/sh
# Installs what `npm run bench` compares with: Debian packages when run as root, @fastify/http-proxy into loadtest/.peers.
set -eu

packages="nginx-light haproxy caddy wrk nghttp2-client util-linux"
missing=""
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "run as root, or install by hand: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  # The packages would start their services and take ports: policy-rc.d keeps them from it.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

peers="$(cd "$(dirname "$0")" && pwd)/.peers"
mkdir -p "$peers"
[ -f "$peers/package.json" ] || printf '{ "private": true }\n' >"$peers/package.json"
npm install --prefix "$peers" --no-audit --no-fund --save-exact fastify@5 @fastify/http-proxy@11
