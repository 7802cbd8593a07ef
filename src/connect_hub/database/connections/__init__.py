"""SQL statements on connections to the database: scopes, transactions and deadlines.

`pool` keeps the connections and hands them out in the order of arrival. A scope in `scopes` holds
one of them for a block of statements. `deadlines` limits how long a block may take.
"""

from connect_hub.database.connections.deadlines import deadline, timeout_reserving
from connect_hub.database.connections.scopes import (
    ConnectionScope,
    Row,
    SharedConnectionScope,
    enforce_deadlines,
    fetch,
    replace_connections,
    transaction,
)

__all__ = [
    "ConnectionScope",
    "Row",
    "SharedConnectionScope",
    "deadline",
    "enforce_deadlines",
    "fetch",
    "replace_connections",
    "timeout_reserving",
    "transaction",
]
