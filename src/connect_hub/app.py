"""The ASGI application: creates and connects all parts of the server."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from tortoise.contrib.starlette import RegisterTortoise

from connect_hub import background, sms
from connect_hub.api.execution.engine import Engine
from connect_hub.api.schema import schema
from connect_hub.api.services import Services
from connect_hub.api.transport.http import GraphQLHTTP
from connect_hub.api.transport.http_response import failure
from connect_hub.api.transport.websocket import GraphQLWebSocket
from connect_hub.database.config import direct_config, serving_config
from connect_hub.database.connections import enforce_deadlines
from connect_hub.database.connections import metrics as pool_metrics
from connect_hub.domain import cleanup, phone_numbers
from connect_hub.domain.live_updates import LiveUpdates
from connect_hub.observability import logs, tracing
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import load_keys
from connect_hub.security.refresh_tokens import RefreshTokens
from connect_hub.server import web_client
from connect_hub.server.authentication import TokenBackend
from connect_hub.server.client_address import ClientAddresses
from connect_hub.server.connection_limits import (
    CONNECTION_LIMITS,
    ConnectionLimits,
    max_connections,
)
from connect_hub.server.endpoints import alive, key_set, readiness
from connect_hub.server.middleware import RequestMiddleware
from connect_hub.server.routing import GraphQLFastPath, TrustedHostMiddleware
from connect_hub.server.shutdown import GracefulShutdown, end_with_parent
from connect_hub.server.tracing_middleware import TracingMiddleware
from connect_hub.settings import Settings, load_to_serve
from connect_hub.settings.origins import Origins
from connect_hub.sms import texts
from connect_hub.sms.exposure import SIMULATION_NOTICE
from connect_hub.webhooks import delivering
from connect_hub.webhooks.registration_hook import RegistrationHook

GRAPHQL = "/graphql"


def create_app(settings: Settings | None = None, sender: sms.SmsSender | None = None) -> Starlette:
    """Create the application.

    Args:
        settings: read from the environment if left out.
        sender: sends the codes; made from SMS_URLS if left out.

    Raises:
        StartupError: a setting is wrong.
    """
    settings = settings or load_to_serve()
    texts.check(settings)
    phone_numbers.check_countries(settings)
    phone_numbers.check_test_phones(settings)
    tracing.check_installed(settings)
    sender = sender or sms.create_sender(settings)
    keys = load_keys(settings)
    addresses = ClientAddresses(settings.trusted_proxies)
    tokens = AccessTokens(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=settings.access_token_lifetime,
    )
    shutdown = GracefulShutdown(settings.shutdown_delay)
    limits = ConnectionLimits(
        addresses, per_network=settings.connections_per_network, total=max_connections()
    )

    config = serving_config(settings).tortoise
    live = LiveUpdates(direct_config(settings))
    hook = RegistrationHook.of(settings, keys)
    services = Services(
        settings=settings,
        sender=sender,
        keys=keys,
        tokens=tokens,
        refresh_tokens=RefreshTokens(keys),
        authentication=TokenBackend(tokens),
        live_updates=live,
        addresses=addresses,
        connection_limits=limits,
        registration_hook=hook,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        end_with_parent()
        with tracing.export_traces(settings):
            async with (
                RegisterTortoise(app, config=config),
                background.running(
                    enforce_deadlines(),
                    cleanup.sweep(events_kept=settings.events_kept),
                    pool_metrics.observe(),
                ),
                live.running(),
                delivering(settings, keys),
                hook.running() if hook else nullcontext(),
                background.finishing(timeout=settings.sms_timeout),
            ):
                with shutdown.install():
                    yield {CONNECTION_LIMITS: limits}

    notice = SIMULATION_NOTICE if sender.simulated else None
    engine = Engine(schema, settings)
    http = GraphQLHTTP(engine, services, notice=notice)
    websocket = GraphQLWebSocket(engine, services)
    allowed_hosts = settings.allowed_hosts
    cors = _cors(settings)
    app = Starlette(
        routes=[
            WebSocketRoute(GRAPHQL, TrustedHostMiddleware(websocket, allowed_hosts)),
            Route("/.well-known/jwks.json", key_set(tokens)),
            Route("/healthz", alive),
            Route("/readyz", readiness(shutdown)),
            *web_client.routes(notice=notice, country=settings.default_country),
        ],
        middleware=[
            *(
                [Middleware(TracingMiddleware, addresses=addresses)]
                if settings.otel_exporter_otlp_endpoint
                else []
            ),
            Middleware(
                RequestMiddleware,
                error_response=lambda scope, error: cors(failure(scope, error)),
                headers=_response_headers(settings, notice),
                shutdown=shutdown,
                addresses=addresses,
                record_metrics=settings.metrics_port is not None,
            ),
            Middleware(cors),
            Middleware(AuthenticationMiddleware, backend=services.authentication),
            Middleware(
                GraphQLFastPath, path=GRAPHQL, graphql=TrustedHostMiddleware(http, allowed_hosts)
            ),
        ],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would redirect to any Host that a client sends
    return app


def _response_headers(settings: Settings, notice: str | None) -> dict[str, str]:
    headers = {}
    if settings.hsts:
        headers["Strict-Transport-Security"] = f"max-age={settings.hsts.total_seconds():.0f}"
    if notice:
        headers["Connect-Hub-Notice"] = notice
    return headers


def _cors(settings: Settings) -> Callable[[ASGIApp], ASGIApp]:
    """Return the CORS middleware for CORS_ORIGINS; without them, one that changes nothing.

    All request headers are allowed: without cookies, none of them does harm. The middleware also
    wraps the response to an exception, so that pages can read it.
    """
    if not settings.cors_origins:
        return lambda app: app
    return partial(
        CORSMiddleware,
        allow_origins=Origins(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=["Date", "X-Request-ID", "Retry-After", "WWW-Authenticate"],
    )


def create_serving_app() -> Starlette:
    """Create the application of a serving process, and configure its logs."""
    logs.configure()
    app = create_app()
    # A full garbage collection would otherwise visit all imported modules, for 100 ms and more. A
    # client that sends new documents could cause one each second.
    gc.collect()
    gc.freeze()
    return app
