"""The SQL of the floor and of the peers: as Connect Hub sends it, or better where that can be."""

_TOUCH_DUE = "(seen_at IS NULL AND generation = $2 OR last_used_at < now() - interval '1 minute')"
VIEWER = f"""
    SELECT client.id, client.phone, client.invitation_code,
           inviter.invitation_code AS someone_invitation_code, {_TOUCH_DUE} AS is_touch_due
    FROM session JOIN client ON client.id = session.client_id
    LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
    WHERE session.id = $1 AND session.expires_at > now() AND client.deleted_at IS NULL
    AND generation >= $2 AND session.client_id = $3
"""
TOUCH = f"""
    UPDATE session SET
        seen_at = CASE generation WHEN $2 THEN coalesce(seen_at, now()) ELSE seen_at END,
        last_used_at = now(), expires_at = least(now() + $3, created_at + $4), address = $5
    WHERE id = $1 AND expires_at > now() AND {_TOUCH_DUE}
"""
PAGE = """
    SELECT id, phone, invited_at FROM client WHERE inviter_id = $1 AND deleted_at IS NULL
    ORDER BY invited_at DESC, id DESC LIMIT $2
"""

# Those of signing in are copied from connect_hub.domain.
CONSUME = """
    WITH requested AS (
        SELECT key, array_agg(count) AS counts, array_agg(period) AS periods,
               max(count) AS max_count, max(period) AS max_period
        FROM unnest($1::bytea[], $2::int[], $3::interval[]) AS rate (key, count, period)
        GROUP BY key
    ), refused AS (
        SELECT key, allowance_free_at(uses, counts, periods) AS until
        FROM requested JOIN allowance USING (key)
        WHERE allowance_free_at(uses, counts, periods) > clock_timestamp()
    ), consumed AS (
        INSERT INTO allowance AS current (key, uses, refused_until, expires_at)
        SELECT key, ARRAY[clock_timestamp()], NULL, clock_timestamp() + max_period
        FROM requested WHERE NOT EXISTS (SELECT FROM refused) ORDER BY key
        ON CONFLICT (key) DO UPDATE SET (uses, refused_until, expires_at) = (
            SELECT
                CASE WHEN free_at > at THEN current.uses
                     ELSE (current.uses || at)
                          [greatest(cardinality(current.uses) + 2 - max_count, 1) :] END,
                CASE WHEN free_at > at THEN free_at END,
                CASE WHEN free_at > at THEN current.expires_at ELSE at + max_period END
            FROM (
                SELECT clock_timestamp() AS at, max_count, max_period,
                       allowance_free_at(current.uses, counts, periods) AS free_at
                FROM requested WHERE requested.key = excluded.key
            ) AS checked
        )
        RETURNING key, uses[cardinality(uses)] AS at, refused_until
    )
    SELECT key, NULL AS at, until AS refused_until, clock_timestamp() AS now FROM refused
    UNION ALL SELECT key, at, refused_until, clock_timestamp() FROM consumed
"""
REFUND = """
    WITH locked AS (
        SELECT key, uses FROM allowance WHERE key = ANY ($1) ORDER BY key FOR UPDATE
    ), rest AS (
        SELECT key, CASE WHEN at IS NULL THEN '{}' ELSE array_remove(uses, at) END AS uses
        FROM locked JOIN unnest($1::bytea[], $2::timestamptz[]) AS hit (key, at) USING (key)
    ), emptied AS (
        DELETE FROM allowance USING rest WHERE allowance.key = rest.key AND rest.uses = '{}'
    )
    UPDATE allowance SET uses = rest.uses
    FROM rest WHERE allowance.key = rest.key AND rest.uses <> '{}'
"""
COUNT_GUESS = """
    UPDATE sign_in_code SET guesses = guesses + 1
    WHERE phone = $1 AND expires_at > now() AND key_id = ANY ($3)
    AND guesses < CASE length WHEN 8 THEN 100 ELSE $2 END
    RETURNING key_id, nonce, length, guesses, gateway
"""
BY_PHONE = "SELECT id, phone, invitation_code FROM client WHERE phone = $1"
CONSUME_CODE = """
    WITH consumed AS (DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2 RETURNING phone),
    counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM consumed)
    )
    SELECT FROM consumed
"""
START_SESSION = """
    INSERT INTO session (id, client_id, nonce, generation, seen_at,
                         created_at, last_used_at, expires_at, device, address)
    SELECT $3, id, $4, 0, now(), now(), now(), now() + least($5, $6::interval), $7, $8
    FROM client WHERE id = $1 AND phone = $2 AND blocked_at IS NULL FOR KEY SHARE
    RETURNING *
"""
TRIM_SESSIONS = """
    WITH surplus AS (
        SELECT id FROM session WHERE client_id = $1 AND (id = $2 OR id = ANY (ARRAY(
            SELECT id FROM session WHERE client_id = $1 AND id IS DISTINCT FROM $2
            ORDER BY last_used_at DESC, id OFFSET 20
        ))) ORDER BY id FOR UPDATE
    )
    DELETE FROM session USING surplus WHERE session.id = surplus.id RETURNING session.id
"""
