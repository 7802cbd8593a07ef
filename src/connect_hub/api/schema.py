"""The GraphQL schema: its queries and subscriptions; the mutations are in `mutations/`."""

from collections.abc import AsyncGenerator

import strawberry
from strawberry.schema.config import StrawberryConfig

from connect_hub.api import types
from connect_hub.api.arguments import Info
from connect_hub.api.errors import HANDLERS
from connect_hub.api.invited import InvitedClient, first_page_below
from connect_hub.api.mutations import Mutation
from connect_hub.api.scalars import SCALARS
from connect_hub.api.strawberry_internals import fix_is_one_of


@strawberry.type(description="All queries.")
class Query:
    """Reads."""

    @strawberry.field(description="What a sign-in page needs to know about this server.")
    def config(self, info: Info) -> types.Config | None:
        """Show some of the settings."""
        return types.Config.of(info.context.services.settings)

    @strawberry.field(description="The signed-in client, or null for an anonymous request.")
    async def me(self, info: Info) -> types.Client | None:
        """Return the client that authentication read, with its first page if that is selected."""
        viewer = await info.context.viewer(page_limit=first_page_below(info))
        return types.Client.of_viewer(viewer) if viewer else None


@strawberry.type(description="All subscriptions, by WebSocket.")
class Subscription:
    """Streams of events."""

    @strawberry.subscription(
        description="Send each client who applies the viewer's invitation code, at once."
        " Needs a bearer token."
    )
    async def client_invited(self, info: Info) -> AsyncGenerator[InvitedClient, None]:
        """Stream the clients whom the viewer invites."""
        context = info.context
        viewer = await context.signed_in()
        live_updates = context.services.live_updates
        with live_updates.invited_stream(viewer.client.id, after=context.since) as stream:
            async for invited in stream:
                yield InvitedClient.of(invited, context.services.settings.invited_phones)


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    exception_handlers=HANDLERS,
    config=StrawberryConfig(scalar_map=SCALARS),
)
fix_is_one_of(schema)
