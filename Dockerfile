# The application without the embedded services; Postgres, Valkey and ClickHouse are named by environment variables.
# Serves the web unless told otherwise; docker-compose.yml runs the collectors from the same image.
FROM python:3.11-slim AS packages
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATAPROVIDER_HOME=/data LOGS_DIR=/data/logs
RUN useradd --uid 10001 --no-create-home dataprovider && install -d -m 700 -o dataprovider -g dataprovider /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY templates templates
COPY dataprovider dataprovider
COPY collectors collectors
COPY integrity integrity
COPY api api
RUN python -m compileall -q .
USER 10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 CMD ["python", "-m", "dataprovider.healthy", "web", "8080"]
CMD ["python", "-m", "daphne", "-v", "0", "-b", "0.0.0.0", "-p", "8080", "dataprovider.asgi:application"]
