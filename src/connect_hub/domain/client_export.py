"""Everything that is kept about a client, for a person who asks for it."""

import orjson

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.security.keys import Keys

_LIMITS_OF_PHONE = ("sends to a phone", "guesses of a phone", "unknown invitation codes")
_LIMITS_OF_ID = ("new invitation codes",)

# Whole rows, so that no column is forgotten; without what tokens and codes are computed from.
_EXPORT = """
    SELECT jsonb_build_object(
        'client', (SELECT to_jsonb(client) FROM client WHERE id = $1),
        'invited', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'invited_at', invited_at)
                                      ORDER BY invited_at), '[]')
            FROM client WHERE inviter_id = $1 AND deleted_at IS NULL
        ),
        'retired_codes', (
            SELECT coalesce(jsonb_agg(to_jsonb(retired_code) ORDER BY retired_at), '[]')
            FROM retired_code WHERE client_id = $1
        ),
        'sessions', (
            SELECT coalesce(jsonb_agg(to_jsonb(session) - 'nonce' - 'parent'), '[]')
            FROM session WHERE client_id = $1
        ),
        'sign_in_codes', (
            SELECT coalesce(jsonb_agg(to_jsonb(sign_in_code) - 'nonce' - 'key_id'), '[]')
            FROM sign_in_code WHERE split_part(phone, ' ', 1) = $2
        ),
        'limits', (
            SELECT coalesce(jsonb_object_agg(action, uses), '{}')
            FROM allowance JOIN unnest($3::bytea[], $4::text[]) AS own (key, action)
            USING (key)
        ),
        'events', (
            SELECT coalesce(jsonb_agg(to_jsonb(event) - 'trace' ORDER BY created_at, id), '[]')
            FROM event WHERE client_id = $1
        )
    )::text AS exported
"""


async def of(client: Client, keys: Keys) -> str:
    """Return everything that is kept about a client, as JSON."""
    subjects = dict.fromkeys(_LIMITS_OF_PHONE, client.phone or "")
    subjects |= dict.fromkeys(_LIMITS_OF_ID, str(client.id))
    limits = [keys.pseudonym(subject, purpose=action) for action, subject in subjects.items()]
    (row,) = await fetch(_EXPORT, client.id, client.phone, limits, list(subjects))
    return orjson.dumps(orjson.loads(row["exported"]), option=orjson.OPT_INDENT_2).decode()
