"""Traces by OpenTelemetry (extra `otel`), if an endpoint is set.

Spans contain names of the schema, SQL statements and names of gateways. They contain no values of a
query, and nothing that a client chose.
"""

# ruff: noqa: PLC0415 (OpenTelemetry is an optional extra, so only functions that need it import it)

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from connect_hub.settings import Settings, StartupError

_tracers: list[Any] = []  # one while traces are exported, else none


@contextmanager
def export_traces(settings: Settings) -> Iterator[None]:
    """Export traces by OTLP over HTTP within the context, if an endpoint is set."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

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
    """Check that OpenTelemetry is installed if an endpoint is set.

    Raises:
        StartupError: it is not installed.
    """
    if settings.otel_exporter_otlp_endpoint:
        try:
            import_module("opentelemetry.exporter.otlp.proto.http")
            import_module("opentelemetry.sdk.trace")
        except ImportError:
            raise StartupError(
                "OTEL_EXPORTER_OTLP_ENDPOINT needs the extra otel:"
                " pip install -c constraints.txt '.[otel]'."
            ) from None


def trace_request(headers: Mapping[str, str]) -> AbstractContextManager[Any]:
    """Trace a request as a child of the span in its `traceparent` (W3C Trace Context).

    Args:
        headers: the request's trace headers; empty if the server does not trust their sender.
    """
    if not _tracers:
        return nullcontext()
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    span: AbstractContextManager[Any] = _tracers[0].start_as_current_span(
        "request", context=extract(headers), kind=SpanKind.SERVER
    )
    return span


def trace_sms(gateway: str, *, country: str) -> AbstractContextManager[Any]:
    """Trace the sending of an SMS.

    Args:
        gateway: its name.
        country: of the phone, ISO 3166.
    """
    if not _tracers:
        return nullcontext()
    attributes = {"sms.gateway": gateway, "sms.country": country}
    span: AbstractContextManager[Any] = _tracers[0].start_as_current_span(
        "sms", attributes=attributes, record_exception=False, set_status_on_exception=False
    )
    return span


def traceparent() -> str | None:
    """Return the current span as `traceparent` (W3C Trace Context); None if there is none."""
    if not _tracers:
        return None
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


def trace_webhook(
    endpoint: str, *, event_type: str, cause: str | None
) -> AbstractContextManager[Any]:
    """Trace one attempt to deliver an event.

    Args:
        endpoint: its origin.
        event_type: such as `client.registered`.
        cause: `traceparent` of the request that made the change, to which the span is linked.
    """
    if not _tracers:
        return nullcontext()
    from opentelemetry.propagate import extract
    from opentelemetry.trace import Link, SpanKind, get_current_span

    links = [Link(get_current_span(extract({"traceparent": cause})).get_span_context())]
    span: AbstractContextManager[Any] = _tracers[0].start_as_current_span(
        "webhook",
        kind=SpanKind.CLIENT,
        links=links if cause else [],
        attributes={"webhook.endpoint": endpoint, "webhook.type": event_type},
        record_exception=False,
        set_status_on_exception=False,
    )
    return span


async def trace_connection(connection: Any) -> None:
    """Trace the statements of an asyncpg connection."""
    connection.add_query_logger(_record_query)


def _has_span() -> bool:
    from opentelemetry.trace import get_current_span

    is_valid: bool = get_current_span().get_span_context().is_valid
    return is_valid


def _record_query(record: Any) -> None:
    """Record a span for a statement that has just ended, below the span that ran it.

    Background tasks have none: they poll all the time, which would fill the traces.
    """
    if _tracers and _has_span():
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
