# CPU image of the service. Reviewed, not built by us: see docs/operations.md.
# Build argument ONNXRUNTIME: "onnxruntime" (CPU) or "onnxruntime-gpu" (with a CUDA base image given as BASE).
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
ARG ONNXRUNTIME=onnxruntime
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cvai ./cvai
COPY models ./models
RUN python -m venv /opt/cvai \
    && /opt/cvai/bin/pip install --no-cache-dir --constraint constraints.txt . \
    && if [ "$ONNXRUNTIME" != onnxruntime ]; then \
         /opt/cvai/bin/pip uninstall --yes onnxruntime \
         && /opt/cvai/bin/pip install --no-cache-dir "$ONNXRUNTIME"; \
       fi

FROM ${BASE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin cvai \
    && install -d -o cvai -g cvai -m 0700 /data
COPY --from=build /opt/cvai /opt/cvai
ENV PATH=/opt/cvai/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CVAI_DATA_FOLDER=/data \
    CVAI_MONITOR_ADDRESS=0.0.0.0:9108 \
    MPLCONFIGDIR=/tmp
# By number, so that a cluster can see that it is not root.
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 9108
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/healthz', timeout=5)"]
ENTRYPOINT ["cvai"]
CMD ["serve"]
