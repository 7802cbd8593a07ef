"""The operations that are measured."""

from typing import NamedTuple


class Operation(NamedTuple):
    """A document, and the check of its response."""

    route: str  # of the floor
    document: str
    right: bytes  # in each right answer


_SIGNED_IN = """
    ... on SignedIn { accessToken expiresAt refreshToken client { id phone invitationCode } }
    ... on UserError { message }
"""
_TOKENS = b'"refreshToken":"'

ME = Operation(
    "me",
    """query Me { me {
    id phone invitationCode someoneInvitationCode invitedClients { nodes { id phone invitedAt } }
} }""",
    b'{"data":{"me":{"id":"',
)
PAGE = Operation(
    "me",
    """query Page($first: Int!) { me {
    id phone invitationCode someoneInvitationCode
    invitedClients(first: $first) { nodes { id phone invitedAt } }
} }""",
    ME.right,
)
LOGIN = Operation(
    "login",
    "mutation Login($phone: String!, $code: String!) {"
    f" login(phone: $phone, code: $code) {{ {_SIGNED_IN} }} }}",
    _TOKENS,
)
REGISTER = Operation(
    "register",
    "mutation Register($phone: String!, $code: String!) {"
    f" register(phone: $phone, code: $code) {{ {_SIGNED_IN} }} }}",
    _TOKENS,
)
REGISTER_WITH_INVITATION = Operation(
    "register_with_invitation",
    "mutation Register($phone: String!, $code: String!, $invitation: String!) {"
    " register(phone: $phone, code: $code, invitationCode: $invitation) {"
    f" {_SIGNED_IN} }} }}",
    _TOKENS,
)
REFRESH = Operation(
    "refresh",
    "mutation Refresh($refresh_token: String!) {"
    f" refreshSession(refreshToken: $refresh_token) {{ {_SIGNED_IN} }} }}",
    _TOKENS,
)
REQUEST_CODE = Operation(
    "request_code",
    """mutation RequestCode($phone: String!) { requestCode(phone: $phone) {
    ... on CodeSent { phone smsCode codeLength expiresAt }
    ... on UserError { message }
} }""",
    b'"smsCode":"',
)
APPLY_INVITE = Operation(
    "apply_invite",
    """mutation ApplyInvite($code: String!) { applyInvite(invitationCode: $code) {
    ... on InviteApplied { client { id phone invitationCode someoneInvitationCode } }
    ... on UserError { message }
} }""",
    b'"someoneInvitationCode":"',
)
