"""Traces, as a collector gets them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector

from tests.support import gateways, receivers
from tests.support.leaks import leaks
from tests.support.processes import ME, REQUEST_CODE, eventually, run, serving

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def collecting() -> Iterator[tuple[str, list[bytes]]]:
    """Run a collector, and give its URL and what it gets."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", bodies
        finally:
            server.shutdown()
    assert leaks(b"".join(bodies)) == []


def spans_of(bodies: list[bytes]) -> list[Any]:
    requests = [collector.ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_request_is_a_span_with_its_statements_and_no_personal_data(folder: Path) -> None:
    with collecting() as (url, bodies):
        with serving(
            folder / "traced",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            TRUSTED_PROXIES="127.0.0.1",
            CODE_LENGTH="7",
        ) as server:
            client = server.register()
            answer = server.get(
                "/graphql?query={anyName:me{id}}",
                Authorization=f"Bearer {client.token}",
                traceparent=f"00-{TRACE}-{CALLER}-01",
            )
            assert answer.json() == {"data": {"anyName": {"id": client.id}}}
            assert {line["level"] for line in server.logged} == {"info"}
        spans = spans_of(bodies)  # the rest is sent at the end
    asked = {span.name: span for span in spans if span.kind == 2}  # of a server
    assert {"requestCode", "register", "me", "request"} == asked.keys()
    me = asked["me"]
    assert (me.trace_id.hex(), me.parent_span_id.hex()) == (TRACE, CALLER)
    attributes = {item.key: item.value for item in me.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["graphql.outcome"].string_value == "ok"
    (statement,) = [span for span in spans if span.parent_span_id == me.span_id]
    assert statement.name == "SELECT"
    assert (statement.trace_id, statement.end_time_unix_nano > statement.start_time_unix_nano) == (
        me.trace_id,
        True,
    )
    everything = b"".join(bodies)
    for secret in (
        client.phone[1:],
        client.code,
        client.token,
        client.refresh_token,
        "anyName",
    ):
        assert secret.encode() not in everything


def test_trace_of_an_untrusted_sender_is_not_continued(folder: Path) -> None:
    with collecting() as (url, bodies):
        with serving(
            folder / "stranger",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_TRACES_SAMPLER="parentbased_always_off",  # which a sampled parent overrules
        ) as server:
            for flag in ("00", "01"):
                server.get("/graphql?query={me{id}}", traceparent=f"00-{TRACE}-{CALLER}-{flag}")
        assert spans_of(bodies) == []


def test_no_span_contains_a_message_to_a_gateway(folder: Path) -> None:
    phone = "+79991234567"
    with collecting() as (url, bodies), gateways.serving_gateways() as peer:
        peer.answers["first"] = gateways.refuse(503)
        with serving(
            folder / "sent",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            SMS_URLS=f"{peer.gateway('first')},{peer.gateway('second')}",
            SENDS_TOTAL="100/hour",
            CODE_LENGTH="7",
        ) as server:
            server.post(REQUEST_CODE, phone=phone)
        code = peer.texts[-1][:7]
    assert code.isdecimal()
    assert [span.name for span in spans_of(bodies)].count("sms") == 2  # one rejected, one accepted
    everything = b"".join(bodies)
    for secret in (phone[1:], code, "user:", "pass@", "k3y0fHub"):
        assert secret.encode() not in everything


def test_span_of_an_sms_that_is_under_way_at_sigterm_is_exported(folder: Path) -> None:
    with serving(folder / "stopped") as server:
        phone = server.register().phone
    with collecting() as (url, bodies), gateways.serving_gateways() as peer:
        peer.answers["slow"] = gateways.hang
        with serving(
            folder / "stopped",
            REGISTRATION="closed",  # in which the answer does not wait for the gateway
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            SMS_URLS=peer.gateway("slow"),
            SMS_TIMEOUT="2",
            SENDS_TOTAL="100/hour",
        ) as server:
            server.post(REQUEST_CODE, phone=phone)
            eventually(lambda: bool(peer.requests))
    assert [span.name for span in spans_of(bodies)].count("sms") == 1


def test_collector_that_does_not_answer_delays_no_response(folder: Path) -> None:
    with serving(folder / "lonely", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") as server:
        assert server.ask(ME) is None


def test_a_wrong_endpoint_stops_the_start() -> None:
    refused = run("serve", OTEL_EXPORTER_OTLP_ENDPOINT="collector")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: OTEL_EXPORTER_OTLP_ENDPOINT: takes the URL")


async def test_attempt_to_deliver_an_event_is_a_span_linked_to_that_of_the_request(
    folder: Path,
) -> None:
    with collecting() as (url, bodies):
        async with receivers.receiving() as receiver:
            tracing = serving(
                folder / "webhooks",
                CODE_LENGTH="7",
                OTEL_EXPORTER_OTLP_ENDPOINT=url,
                WEBHOOK_URLS=receiver.url,
            )
            server = await asyncio.to_thread(tracing.__enter__)
            await asyncio.to_thread(server.register)
            await receiver.wait_for(2)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(tracing.__exit__, None, None, None)
        spans = spans_of(bodies)
    (request,) = [span for span in spans if span.name == "register"]
    attempts = [span for span in spans if span.name == "webhook"]
    assert len(attempts) == 2
    for attempt in attempts:
        (link,) = attempt.links
        assert (link.trace_id, link.span_id) == (request.trace_id, request.span_id)
        attributes = {item.key: item.value.string_value for item in attempt.attributes}
        assert attributes["webhook.result"] == "delivered"
        assert attributes["webhook.endpoint"] == f"http://127.0.0.1:{receiver.port}"
    alone = [span for span in spans if not span.parent_span_id and span.kind != 2]
    assert {span.name for span in alone} == {"webhook"}  # polling leaves no span
