# The application without the embedded services; Postgres, Valkey and ClickHouse are named by environment variables.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATAPROVIDER_HOME=/data
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt && useradd --create-home dataprovider && install -d -o dataprovider /data
COPY . .
USER dataprovider
VOLUME /data
EXPOSE 8080
CMD ["python", "-m", "daphne", "-b", "0.0.0.0", "-p", "8080", "dataprovider.asgi:application"]
