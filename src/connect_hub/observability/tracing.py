"""Traces by OpenTelemetry (extra `otel`), where an endpoint is set; without one nothing here runs.

Spans show what the schema, the database and the gateways are called: no values of a query, and
nothing that a client chose.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from connect_hub.settings import Settings, StartupError

_tracers: list[Any] = []  # one, while traces are exported


@contextmanager
def export_traces(settings: Settings) -> Iterator[None]:
    """Export traces by OTLP over HTTP, if an endpoint is set, as long as this lasts."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (an extra)
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    resource = Resource.create({"service.name": "connect-hub"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers[:] = [provider.get_tracer("connect_hub")]
    try:
        yield
    finally:
        _tracers.clear()
        provider.shutdown()


def check_installed(settings: Settings) -> None:
    """See that what traces take is installed.

    Raises:
        StartupError: it is not.
    """
    if settings.otel_exporter_otlp_endpoint:
        try:
            import opentelemetry.exporter.otlp.proto.http  # noqa: PLC0415 (an extra)
            import opentelemetry.sdk.trace  # noqa: F401, PLC0415
        except ImportError:
            raise StartupError(
                "OTEL_EXPORTER_OTLP_ENDPOINT takes the extra otel:"
                " pip install -c constraints.txt '.[otel]'."
            ) from None


def trace_request(headers: Mapping[str, str]) -> AbstractContextManager[Any]:
    """Trace a request, below the span that its `traceparent` names (W3C Trace Context)."""
    if not _tracers:
        return nullcontext()
    from opentelemetry.propagate import extract  # noqa: PLC0415 (an extra)
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    span: AbstractContextManager[Any] = _tracers[0].start_as_current_span(
        "request", context=extract(headers), kind=SpanKind.SERVER
    )
    return span


def trace_sms(gateway: str, *, country: str) -> AbstractContextManager[Any]:
    """Trace a message on its way to a gateway."""
    if not _tracers:
        return nullcontext()
    attributes = {"sms.gateway": gateway, "sms.country": country}
    span: AbstractContextManager[Any] = _tracers[0].start_as_current_span(
        "sms", attributes=attributes, record_exception=False, set_status_on_exception=False
    )
    return span


async def trace_connection(connection: Any) -> None:
    """Trace what a connection of asyncpg runs."""
    connection.add_query_logger(_record_query)


def _record_query(record: Any) -> None:
    """Make a span of a statement that has just ended; asyncpg calls this where it was run."""
    if _tracers:
        ended = time.time_ns()
        text = " ".join(record.query.split())
        span = _tracers[0].start_span(
            text.partition(" ")[0],
            start_time=ended - int(record.elapsed * 1e9),
            attributes={"db.system.name": "postgresql", "db.query.text": text},
        )
        if record.exception:
            span.set_attribute("error.type", type(record.exception).__name__)
        span.end(ended)
