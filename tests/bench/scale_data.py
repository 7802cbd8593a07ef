"""A database of so many clients: each has a session, half have an inviter and an allowance."""

import asyncpg

from connect_hub.database.url import parse_url

_INDEXES_READY = "UPDATE pg_index SET indisready = $1 WHERE indrelid = $2::regclass"
# Ids follow from the numbers, so that tokens and inviters need no look here.
ID = "md5(({0})::text)::uuid"
_FILL = {
    "client": f"""
        INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)
        SELECT {ID.format("n")}, '+79' || lpad(n::text, 9, '0'), lpad(upper(to_hex(n)), 6, '0'),
               now() - interval '1 day', CASE WHEN n % 2 = 0 THEN {ID.format("n / 10 + 1")} END,
               CASE WHEN n % 2 = 0 THEN now() - n * interval '1 millisecond' END
        FROM generate_series($1::int, $2::int) AS n
    """,
    "invited_count": """
        INSERT INTO invited_count (client_id, count, deleted)
        SELECT inviter_id, count(*), 0 FROM client
        WHERE $1::int = $2::int AND inviter_id IS NOT NULL GROUP BY inviter_id
    """,
    "session": f"""
        INSERT INTO session (id, client_id, nonce, generation, seen_at, created_at, last_used_at,
                             expires_at, device, address)
        SELECT {ID.format("n")}, {ID.format("n")}, uuid_send(gen_random_uuid()), 0, now(), now(),
               now(), now() + interval '30 days', 'a browser', '127.0.0.1'
        FROM generate_series($1::int, $2::int) AS n
    """,
    "allowance": """
        INSERT INTO allowance (key, uses, expires_at)
        SELECT uuid_send(gen_random_uuid()), ARRAY[now(), now()], now() + interval '1 day'
        FROM generate_series($1::int, $2::int) AS n WHERE n % 2 = 0
    """,
    "event": f"""
        INSERT INTO event (id, type, client_id, data, created_at, actor)
        SELECT gen_random_uuid(), 'client.registered', {ID.format("n")}, '{{}}', now(), 'client'
        FROM generate_series($1::int, $2::int) AS n
    """,
}


async def fill(url: str, clients: int) -> None:
    """Fill an empty, migrated database; indexes are built afterwards, which is faster."""
    without_triggers = {"session_replication_role": "replica", "synchronous_commit": "off"}
    memory = {"maintenance_work_mem": "1GB"}
    database = await asyncpg.connect(
        **parse_url(url) | {"server_settings": without_triggers | memory}
    )
    try:
        for table, sql in _FILL.items():
            await database.execute(_INDEXES_READY, False, table)
            first = clients if table == "invited_count" else 1
            await database.execute(sql, first, clients)
            await database.execute(_INDEXES_READY, True, table)
            await database.execute(f"REINDEX TABLE {table}")
            await database.execute(f"VACUUM ANALYZE {table}")
        await database.execute("CHECKPOINT")
    finally:
        await database.close()
