# syntax=docker/dockerfile:1
# Two images of one file system: `full` (default) has everything, `sidecar` leaves out the aggregator's database engine.
#   docker buildx build --platform linux/amd64,linux/arm64 --target full    -t hopscope .
#   docker buildx build --platform linux/amd64,linux/arm64 --target sidecar -t hopscope-sidecar .
# Nothing in them but Node, the program, iptables and busybox: no package manager, no other shell. deploy/image/prove.sh
# puts the same files together without Docker and runs them.

FROM node:24-trixie-slim AS program
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json README.md LICENSE CHANGELOG.md ./
COPY src src
COPY iptables iptables
RUN npm run --silent build && npm pack --silent --ignore-scripts && mkdir /program \
  && tar -xzf hopscope-*.tgz -C /program --strip-components=1 && cp package-lock.json /program/ \
  && cd /program && npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-trixie-slim AS files
RUN apt-get update \
  && apt-get install -y --no-install-recommends binutils busybox-static ca-certificates iptables \
  && rm -rf /var/lib/apt/lists/*
COPY --from=program /program /program
COPY deploy/image/rootfs.sh /
RUN sh /rootfs.sh /sidecar /program "$(command -v node)" sidecar && sh /rootfs.sh /full /program "$(command -v node)" full

FROM scratch AS sidecar
COPY --from=files /sidecar /
ENV PATH=/usr/bin:/usr/sbin NODE_ENV=production
WORKDIR /tmp
USER 1337:1337
ENTRYPOINT ["node", "/opt/hopscope/dist/cli/main.js"]
CMD ["--help"]

FROM scratch AS full
COPY --from=files /full /
ENV PATH=/usr/bin:/usr/sbin NODE_ENV=production
WORKDIR /tmp
USER 1337:1337
ENTRYPOINT ["node", "/opt/hopscope/dist/cli/main.js"]
CMD ["--help"]
