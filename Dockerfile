# docker build -t wootric-replay .
# docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data:ro" wootric-replay validate .
# A push keeps its journal and its rejects in /state:
# docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data:ro" -v wootric-state:/state --env-file wootric.env \
#   wootric-replay push --rejects /state/rejects.ndjson .
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE /src/
COPY cli /src/cli
COPY wootric_map /src/wootric_map
RUN python -m venv --without-pip /opt/wootric-replay
RUN python -m pip --python /opt/wootric-replay/bin/python install --quiet --no-cache-dir '/src[fast]'

FROM python:3.13-slim
COPY --from=build /opt/wootric-replay /opt/wootric-replay
RUN install -d -m 700 -o 10001 -g 10001 /state
RUN install -d -m 755 /data
ENV XDG_STATE_HOME=/state XDG_CONFIG_HOME=/state/config PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME ["/state"]
ENTRYPOINT ["/opt/wootric-replay/bin/wootric-replay"]
