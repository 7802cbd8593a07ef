"""Errors of the database: which ones say that it is unavailable, and which that it refuses."""

import asyncpg
from tortoise.exceptions import BaseORMException

# The database does not answer, or not now: nobody's fault who asked, and worth another try.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,  # refused, lost, reset, no such host, TLS; TimeoutError, Tortoise's DBConnectionError
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # the connection was lost, and asyncpg notices it just now
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting, a statement cancelled or timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,  # the disk fails
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server that is fenced off
    asyncpg.ProgramLimitExceededError,  # no transaction ids are left
    asyncpg.SerializationError,  # a standby needed what a statement read
    asyncpg.DeadlockDetectedError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,  # we are not let in
    asyncpg.InsufficientPrivilegeError,  # rights were revoked, as providers do at a quota
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database takes no connections
)


# It answers that it does not do what it was asked, or its address cannot even be written.
REFUSED: tuple[type[Exception], ...] = (asyncpg.PostgresError, BaseORMException, UnicodeError)
