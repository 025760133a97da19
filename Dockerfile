# Three images, one chain: base -> core -> operator
#                                       -> runtime -> optimizer, serving
# A layer of the chain is built, pushed and pulled once, whoever uses it. Code comes last: a change of it installs
# nothing. What is mounted does not count for buildah's cache, so all that decides about a layer is copied into it.
#
#   docker build --target serving .                                  packages from pip's default index
#   docker build --target serving --build-context wheels=DIR .       from a folder of wheels, without any network
#   hack/images/build --registry HOST/PATH --tag T                   all three, wheels fetched with the host's own pip
#
# The base needs Python 3.11 or newer with `venv`. pip and its configuration stay out of the images.

ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# No wheels here; a build context named `wheels` takes its place.
FROM scratch AS wheels
COPY constraints/core.txt /core.txt

FROM ${BASE_IMAGE} AS core
ENV PATH=/opt/burnish/bin:$PATH \
    PYTHONPATH=/opt/burnish/src \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1
COPY hack/images/install constraints/core.txt /opt/burnish/constraints/
RUN --mount=type=bind,from=wheels,target=/wheels \
    python3 -m venv --without-pip /opt/burnish && /opt/burnish/constraints/install core
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The Burnish authors"

FROM core AS runtime
COPY constraints/runtime.txt /opt/burnish/constraints/
RUN --mount=type=bind,from=wheels,target=/wheels \
    /opt/burnish/constraints/install runtime

FROM core AS operator
COPY constraints/operator.txt /opt/burnish/constraints/
RUN --mount=type=bind,from=wheels,target=/wheels \
    /opt/burnish/constraints/install operator
COPY engine operator /opt/burnish/src/
RUN python3 -m compileall -q /opt/burnish/src
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="burnish-operator" \
      org.opencontainers.image.description="Watches OptimizedModels: Jobs, engines, rollouts, status." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
ENTRYPOINT ["python", "-m", "burnish_operator"]

FROM runtime AS optimizer
COPY constraints/optimizer.txt /opt/burnish/constraints/
RUN --mount=type=bind,from=wheels,target=/wheels \
    /opt/burnish/constraints/install optimizer
COPY hack/images/burnish /opt/burnish/bin/
COPY engine runtime optimizer cli /opt/burnish/src/
RUN python3 -m compileall -q /opt/burnish/src
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="burnish-optimizer" \
      org.opencontainers.image.description="Turns a model into the fastest engine that keeps its answers." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["burnish", "optimize"]

FROM runtime AS serving
COPY constraints/serving.txt /opt/burnish/constraints/
RUN --mount=type=bind,from=wheels,target=/wheels \
    /opt/burnish/constraints/install serving
COPY hack/images/burnish /opt/burnish/bin/
COPY engine runtime serving cli /opt/burnish/src/
RUN python3 -m compileall -q /opt/burnish/src
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="burnish-serving" \
      org.opencontainers.image.description="Answers inference requests with an engine (Open Inference Protocol v2)." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["burnish", "serve"]
