# syntax=docker/dockerfile:1
# Stage 1 builds the wheel and, by the build hook, the page inside it; Node comes with the hook and stays behind here.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE hatch_build.py ./
COPY signals signals
COPY celery_monitor celery_monitor
COPY frontend frontend
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# Stage 2 runs the shop of the examples; the compose file gives each process its command.
FROM python:3.13-slim AS runtime
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[flower]" && rm -rf /wheels \
    && useradd --system --create-home --uid 10001 shop
COPY examples /app
WORKDIR /app
USER shop
ENV PYTHONUNBUFFERED=1
CMD ["celery", "-A", "shop.app", "worker", "--loglevel", "INFO"]
