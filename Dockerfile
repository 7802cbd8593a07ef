# docs/security.md, "Supply chain", says how to pin these images by digest.
FROM node:24.21.0-trixie-slim AS web
WORKDIR /build/web
COPY web/.npmrc web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY schema.graphql /build/
COPY web ./
RUN npm run build

FROM python:3.13.16-slim-trixie AS build
# A Python without profile-guided optimisation needs 15 % more CPU. The official image has it.
RUN python -c "import sysconfig; assert '--enable-optimizations' in sysconfig.get_config_var('CONFIG_ARGS')"
WORKDIR /build
COPY requirements-image.txt LICENSE README.md pyproject.toml schema.graphql ./
COPY web/hatch_build.py web/
COPY migrations migrations
COPY src src
COPY --from=web /build/src/connect_hub/static src/connect_hub/static
# pip installs only wheels with known hashes, also hatchling, which builds our wheel.
# `touch` makes the pages newer than their sources, so that the build does not build them again.
RUN --mount=type=cache,target=/root/.cache/pip \
    touch src/connect_hub/static/index.html \
    && python -m venv /opt/connect-hub \
    && /opt/connect-hub/bin/pip install -q --require-hashes --only-binary :all: -r requirements-image.txt \
    && /opt/connect-hub/bin/pip install -q --no-index --no-deps --no-build-isolation . \
    && /opt/connect-hub/bin/pip check \
    && /opt/connect-hub/bin/pip uninstall -q -y hatchling pathspec pluggy tomlkit trove-classifiers pip

FROM python:3.13.16-slim-trixie
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin connect-hub
COPY --from=build /opt/connect-hub /opt/connect-hub
ENV PATH=/opt/connect-hub/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-m", "connect_hub.cli.health"]
ENTRYPOINT ["connect-hub"]
CMD ["serve"]
