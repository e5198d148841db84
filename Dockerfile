# The service in a container: `docker compose up --detach` builds and starts it, see compose.yaml.
#
# The first stage installs the pinned packages, those for PostgreSQL among them; the second holds them and the service: no
# compiler, no cache, no pip of its own. Nothing is written outside /data and /tmp, so the root may be read-only.

FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements-postgres.txt .
RUN python -m venv --without-pip /opt/packages \
    && pip --python /opt/packages/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements-postgres.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tracker \
    && install --directory --owner tracker --group tracker --mode 0700 /data
COPY --from=packages /opt/packages /opt/packages
WORKDIR /app
COPY gunicorn.conf.py wsgi.py shop.example.toml ./
COPY tracker tracker/
ENV PATH=/opt/packages/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    TRACKER_STORAGE_FILE=/data/tracker_storage.json \
    TRACKER_SHOP_FILE=/data/shop.toml
# The number of the user tracker: Kubernetes and others check by it that the service does not run as root.
USER 10001
VOLUME /data
EXPOSE 8000
# /health answers 503 where sessions cannot be stored; urlopen fails then, too.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health\", timeout=8)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
