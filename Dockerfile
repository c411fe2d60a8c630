# CPU image of the service. Reviewed, not built by us: see docs/howto/operations.md.
# Build argument ONNXRUNTIME: "onnxruntime" (CPU) or "onnxruntime-gpu" (with a CUDA base image given as BASE).
# `make images` puts the digest behind the tag.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
ARG ONNXRUNTIME=onnxruntime
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements ./requirements
RUN python -m venv /opt/tools && python -m venv /opt/cvai \
    && /opt/tools/bin/pip install --require-hashes --only-binary :all: --no-deps \
         --requirement requirements/build.txt --requirement requirements/tools.txt \
    && /opt/cvai/bin/pip install --require-hashes --only-binary :all: --no-deps --requirement requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY cvai ./cvai
COPY models ./models
RUN /opt/tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/cvai/bin/pip install --no-index --no-deps /wheels/cvai-*.whl \
    && /opt/cvai/bin/pip check \
    && /opt/tools/bin/python requirements/sbom.py /opt/cvai/bin/python /opt/cvai/share/sbom.cdx.json \
    && if [ "$ONNXRUNTIME" = onnxruntime-gpu ]; then \
         /opt/cvai/bin/pip uninstall --yes onnxruntime \
         && /opt/cvai/bin/pip install --require-hashes --only-binary :all: --no-deps --requirement requirements/gpu.txt; \
       fi

FROM ${BASE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin cvai \
    && install -d -o cvai -g cvai -m 0700 /data
COPY --from=build /opt/cvai /opt/cvai
ENV PATH=/opt/cvai/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CVAI_DATA_FOLDER=/data \
    CVAI_MONITOR_ADDRESS=0.0.0.0:9108
LABEL org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-NC-SA-4.0 AND CC-BY-4.0 AND OFL-1.1 AND Bitstream-Vera"
# By number, so that a cluster can see that it is not root.
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 9108
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/healthz', timeout=5)"]
ENTRYPOINT ["cvai"]
CMD ["serve"]
