# Two images: `service` (the default) and `sandbox`, the same with a voice for the simulated providers.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
RUN python -m venv /venv
COPY requirements/runtime.txt requirements/runtime.txt
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY agent agent
COPY voice_sandbox voice_sandbox
COPY voice_loadtest voice_loadtest
COPY clients/js clients/js
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE} AS base
RUN useradd --uid 10001 --create-home --home-dir /var/lib/voice-agent agent
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /var/lib/voice-agent

FROM base AS sandbox
RUN apt-get update && apt-get install -y --no-install-recommends espeak-ng && rm -rf /var/lib/apt/lists/*
USER agent
EXPOSE 8100
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8100/control/state', timeout=2)"]
CMD ["voice-agent", "sandbox", "--host", "0.0.0.0", "--port", "8100"]

FROM base AS service
USER agent
ENV VOICE_AGENT_HOST=0.0.0.0 VOICE_AGENT_PORT=8000 VOICE_AGENT_LOG_FORMAT=json
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
# SIGTERM drains: give it longer than a reply takes
STOPSIGNAL SIGTERM
CMD ["voice-agent", "serve"]
