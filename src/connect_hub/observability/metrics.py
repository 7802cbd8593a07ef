"""Metrics, served for Prometheus on a port of their own.

Labels contain nothing about a person, and have few values: operators choose the gateways, and there
are few countries.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from connect_hub.settings import Settings, StartupError

disable_created_metrics()  # they double the output, and do not exist with several workers

_SMS_LABELS = ["gateway", "country"]  # the gateway's name; the phone's ISO 3166 code
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REGISTRY = CollectorRegistry()  # the metrics of this process
OPERATIONS = Counter(
    "connect_hub_operations",
    "Operations answered.",
    ["operation", "outcome"],
    registry=REGISTRY,
)
OPERATION_SECONDS = Histogram(
    "connect_hub_operation_seconds",
    "How long operations took.",
    ["operation"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)
SMS_SENT = Counter(
    "connect_hub_sms_sent", "Codes that a gateway took.", _SMS_LABELS, registry=REGISTRY
)
SMS_FAILED = Counter(
    "connect_hub_sms_failed",
    "Codes that a gateway did not take.",
    _SMS_LABELS,
    registry=REGISTRY,
)
SMS_CONFIRMED = Counter(
    "connect_hub_sms_confirmed",
    "Codes that somebody signed in with.",
    _SMS_LABELS,
    registry=REGISTRY,
)
GUESSES = Counter("connect_hub_guesses", "Codes that were typed.", ["result"], registry=REGISTRY)
PUMPING_ALARMS = Counter(
    "connect_hub_pumping_alarms", "Alarms of the pumping guard.", registry=REGISTRY
)
REFRESH_REUSE = Counter(
    "connect_hub_refresh_reuse",
    "Refresh tokens that came again.",
    ["result"],
    registry=REGISTRY,
)
SUBSCRIBERS = Gauge(
    "connect_hub_subscribers",
    "Subscriptions that are open.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
EVENT_SECONDS = Histogram(
    "connect_hub_event_seconds",
    "How long it took until subscribers were told.",
    buckets=_BUCKETS,
    registry=REGISTRY,
)
WEBHOOK_ATTEMPTS = Counter(
    "connect_hub_webhook_attempts",
    "Attempts to deliver an event to an endpoint.",
    ["endpoint", "result"],
    registry=REGISTRY,
)
WEBHOOK_OLDEST = Gauge(
    "connect_hub_webhook_oldest_seconds",
    "The age of the oldest event that an endpoint has not accepted.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
WEBHOOKS_DISABLED = Gauge(
    "connect_hub_webhook_endpoints_disabled",
    "Endpoints that are disabled.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
WEBHOOKS_DROPPED = Counter(
    "connect_hub_webhooks_dropped",
    "Events that became older than EVENTS_KEPT before an endpoint accepted them.",
    registry=REGISTRY,
)
REGISTRATION_HOOK = Counter(
    "connect_hub_registration_hook",
    "Calls of BEFORE_REGISTER_URL.",
    ["result"],
    registry=REGISTRY,
)
POOL = Gauge(
    "connect_hub_pool_connections",
    "Connections to the database.",
    ["state"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
SWEPT = Counter("connect_hub_swept_rows", "Expired rows removed.", ["table"], registry=REGISTRY)
SWEEPS_FAILED = Counter("connect_hub_sweeps_failed", "Sweeps that failed.", registry=REGISTRY)


def record_operation(operation: str, *, outcome: str, seconds: float) -> None:
    """Count an operation and its duration.

    Args:
        operation: its field in the schema, never a name that a client chose.
        outcome: `ok`, the type of a refusal or the code of an error.
        seconds: its duration.
    """
    count, duration = _metrics_of(operation, outcome)
    count.inc()
    duration.observe(seconds)


@cache
def _metrics_of(operation: str, outcome: str) -> tuple[Counter, Histogram]:
    """Look both up once: a look-up takes longer than counting."""
    return OPERATIONS.labels(operation, outcome), OPERATION_SECONDS.labels(operation)


@contextmanager
def serve_metrics(settings: Settings) -> Iterator[int | None]:
    """Serve metrics within the context if METRICS_PORT is set, and yield the port.

    Several workers count in files of a temporary folder. They find it by an environment variable,
    so enter this context before starting them.

    Raises:
        StartupError: the server cannot listen on the port, or has no temporary folder.
    """
    if settings.metrics_port is None:
        yield None
        return
    with _collector(settings) as collector:
        exposition = CollectorRegistry()
        exposition.register(collector)
        exposition.register(_TestPhoneCount(settings))
        try:
            server, thread = start_http_server(
                settings.metrics_port, settings.metrics_host, exposition
            )
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartupError(
                f"METRICS_PORT: cannot listen on {settings.metrics_host}"
                f" port {settings.metrics_port} ({reason}): choose another."
            ) from None
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def _collector(settings: Settings) -> Iterator[Collector]:
    if settings.workers == 1:
        yield REGISTRY
        return
    try:
        temporary = TemporaryDirectory(prefix="connect-hub-metrics-")
    except OSError as error:
        raise StartupError(
            f"METRICS_PORT with several WORKERS needs a temporary folder ({error.strerror}):"
            " set TMPDIR to a folder that can be written."
        ) from None
    with temporary as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield _WorkerTotals(folder)


class _TestPhoneCount(Collector):
    """How many test phones are active now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterable[Metric]:
        """Count them, since their last days pass while the server runs."""
        count = sum(phone.is_active for phone in self._settings.test_phones)
        yield GaugeMetricFamily("connect_hub_test_phones", "Test phones in force.", count)


class _WorkerTotals(MultiProcessCollector):
    """Totals over all workers, including those that have ended, so that counters never decrease."""

    def __init__(self, folder: str) -> None:
        super().__init__(None, folder)  # type: ignore[no-untyped-call]  # not typed there
        self._folder = Path(folder)
        self._lock = Lock()

    def collect(self) -> Iterable[Metric]:
        """Add up all files; those of ended workers are merged, or they would accumulate."""
        with self._lock:
            for file in self._folder.glob("*_[1-9]*.db"):
                kind, _, pid = file.stem.rpartition("_")
                if _is_running(int(pid)):
                    continue
                if kind.startswith("gauge_live"):
                    file.unlink()  # gauges count only what exists
                else:
                    _merge(file, to=file.with_name(f"{kind}_0.db"))
            metrics: Iterable[Metric] = super().collect()  # type: ignore[no-untyped-call]  # nor
        return metrics


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # no such process, or its id now belongs to another user
        return False
    return True


def _merge(file: Path, *, to: Path) -> None:
    total = MmapedDict(str(to))
    for key, value, at, _ in MmapedDict.read_all_values_from_file(str(file)):
        total.write_value(key, total.read_value(key)[0] + value, at)
    total.close()
    file.unlink()
