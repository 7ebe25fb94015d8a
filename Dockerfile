# The image of every Python process here: service, worker, twins, and Locust.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app

# The lock first: while it stays the same, so does this layer.
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY harness ./harness
COPY loadtests ./loadtests
COPY simulation ./simulation
COPY target_app ./target_app
COPY workload ./workload

# Numbers, so that an orchestrator can see that it is not root. Only runs/ can be written.
RUN groupadd --gid 10001 surge \
    && useradd --uid 10001 --gid surge --home-dir /app --no-create-home surge \
    && install --directory --owner=surge --group=surge runs
USER 10001:10001

# A health check asks its own container, whatever proxy the engine tells its containers of.
ENV no_proxy=*

# What a container does is said by its command; see docker-compose.yml.
CMD ["python", "-m", "target_app.service"]
