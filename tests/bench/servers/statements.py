"""The SQL of the floor and of the peers: as Connect Hub sends it, or better if that is possible."""

# ruff: noqa: SLF001 - the floor sends the very statements of the domain

from connect_hub.domain import invitations, rate_limits, session_refresh, sessions, viewer
from connect_hub.domain.codes import consumption, issuing, shared, verification

VIEWER = f"""
    SELECT client.id, client.phone, client.invitation_code,
           inviter.invitation_code AS someone_invitation_code,
           {viewer._TOUCH_DUE} AS is_touch_due
    FROM session JOIN client ON client.id = session.client_id
    LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
    WHERE session.id = $1 AND session.expires_at > now() AND client.deleted_at IS NULL
    AND generation >= $2 AND session.client_id = $3
"""
PAGE = """
    SELECT id, phone, invited_at FROM client WHERE inviter_id = $1 AND deleted_at IS NULL
    ORDER BY invited_at DESC, id DESC LIMIT $2
"""
# The page as arrays, since the session's row is one.
VIEWER_WITH_PAGE = f"""
    SELECT viewer.*, page.* FROM ({VIEWER}) AS viewer CROSS JOIN LATERAL (
        SELECT array_agg(id ORDER BY invited_at DESC, id DESC) AS ids,
               array_agg(phone ORDER BY invited_at DESC, id DESC) AS phones,
               array_agg(invited_at ORDER BY invited_at DESC, id DESC) AS times
        FROM ({PAGE.replace("$1", "viewer.id").replace("$2", "$4")}) AS invited
    ) AS page
"""
BY_CODE = "SELECT id FROM client WHERE invitation_code = $1 AND deleted_at IS NULL"
BY_PHONE = "SELECT id, phone, invitation_code FROM client WHERE phone = $1"

# Connect Hub's own, so that the floor cannot fall behind a change of them.
TOUCH = viewer._TOUCH
CONSUME = rate_limits._CONSUME
REFUND = rate_limits._REFUND
COUNT_GUESS = verification._COUNT_GUESS
CONSUME_CODE = consumption._CONSUME
START_SESSION = sessions._START
FIND_SURPLUS = sessions._FIND_SURPLUS
REGISTER = consumption._CONSUME_FOR_REGISTRATION
ISSUE = shared._SEND
RECORD_SENT = issuing._RECORD_SENT
OF_SESSION = session_refresh._READ
REFRESH = session_refresh._REFRESH
APPLY = invitations._APPLY
