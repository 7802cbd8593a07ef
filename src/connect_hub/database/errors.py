"""Errors of the database: which mean that it is unavailable, and which that it refused."""

import asyncpg
from tortoise.exceptions import BaseORMException

# The database does not answer at the moment. The request is not at fault and may be retried.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,  # refused, lost, reset, no such host, TLS; TimeoutError, Tortoise's DBConnectionError
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # the connection was lost, and asyncpg has only just noticed
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting, a statement cancelled or timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,  # the disk fails
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server that a provider made read-only
    asyncpg.ProgramLimitExceededError,  # no transaction ids are left
    asyncpg.SerializationError,  # a standby removed rows that a statement was reading
    asyncpg.DeadlockDetectedError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,  # the user may not connect
    asyncpg.InsufficientPrivilegeError,  # revoked, as providers do at a quota
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database takes no connections
)


# The database refused a statement, or its address cannot be encoded.
REFUSED: tuple[type[Exception], ...] = (asyncpg.PostgresError, BaseORMException, UnicodeError)
