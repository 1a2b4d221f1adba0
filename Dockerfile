FROM python:3.12-slim

RUN useradd --create-home --uid 1000 streamsrv
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY streamsrv streamsrv
COPY web web
RUN pip install --no-cache-dir -c constraints.txt '.[local,openai,webrtc]'

USER streamsrv
ENV STREAMSRV_MODEL_FOLDER=/home/streamsrv/models
RUN streamsrv pull && rm -rf /home/streamsrv/.cache

# Other machines can reach a container's port, so the server asks for keys: run with -e STREAMSRV_API_KEYS=...
ENV STREAMSRV_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["streamsrv", "serve"]
