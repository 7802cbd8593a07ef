"""The parts of the benchmark; each writes its figures into the result."""

from collections.abc import Callable

from tests.bench.bench import Bench
from tests.bench.parts import (
    backlog,
    chains,
    delivering,
    growth,
    inviting,
    process,
    reading,
    subscribing,
    writing,
)
from tests.bench.parts.recording import Result

PARTS: dict[str, Callable[[Bench, Result], None]] = {
    "start": process.start,
    "me": reading.me,
    "peers": reading.peers,
    "page": reading.page,
    "unseen": reading.unseen,
    "request_code": writing.request_code,
    "register": writing.register,
    "login": writing.login,
    "refresh": writing.refresh,
    "apply_invite": writing.apply_invite,
    "register_with_invitation": inviting.register_with_invitation,
    "latency": reading.latency,
    "growth": growth.growth,
    "chains": chains.chains,
    "subscribers": subscribing.subscribers,
    "webhooks": delivering.webhooks,
    "backlog": backlog.backlog,
    "memory": process.memory,
}
