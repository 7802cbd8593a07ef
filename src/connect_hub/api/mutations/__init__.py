"""All mutations of the schema, by area: short resolvers that call the domain, and their results.

A result is a union of a success and its refusals, which `api/errors.py` defines.
"""

import strawberry

from connect_hub.api.mutations.account import AccountMutations
from connect_hub.api.mutations.invitations import InvitationMutations
from connect_hub.api.mutations.profile import ProfileMutations
from connect_hub.api.mutations.sessions import SessionMutations
from connect_hub.api.mutations.sign_in import SignInMutations
from connect_hub.api.mutations.tokens import TokenMutations


@strawberry.type(description="All mutations. A request takes one.")
class Mutation(
    SignInMutations,
    InvitationMutations,
    ProfileMutations,
    TokenMutations,
    SessionMutations,
    AccountMutations,
):
    """Writes; the schema shows them in this order."""
