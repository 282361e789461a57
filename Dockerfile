# One image for web, worker and test shop; docker-compose.yml gives each its command.
FROM python:3.12-slim

# Everything is installed below, so `python -m gateway` need not look for a .venv.
ENV GATEWAY_BOOTSTRAP=off \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /app

# Only var is the gateway's own; it writes there when no DATABASE_URL is given.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
    && install -d -o gateway /app/var

COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

# .dockerignore names what belongs in here.
COPY . ./
# A clone made under a strict umask would be root's alone.
RUN chmod -R a+rX .

USER gateway
EXPOSE 8000
CMD ["python", "-m", "gateway", "web"]
