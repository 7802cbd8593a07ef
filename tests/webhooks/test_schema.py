"""docs/webhooks.md and its JSON Schema describe the events that are sent."""

import json
from typing import Any

from connect_hub.database.models import Client
from connect_hub.domain import account
from connect_hub.domain.events import Actor, EndReason
from connect_hub.settings import EVENT_TYPES, Settings
from connect_hub.webhooks import deliveries, endpoints
from tests.support.documentation import REPOSITORY, table
from tests.support.hub import Hub

SCHEMA = json.loads((REPOSITORY / "docs/webhooks.schema.json").read_text())
URL = "http://127.0.0.1:1/"


def data_schemas() -> dict[str, Any]:
    """Return the schema of the data of each type."""
    parts = (variant["properties"] for variant in SCHEMA["oneOf"])
    return {part["type"]["const"]: part["data"] for part in parts}


def test_the_documentation_and_the_schema_have_every_type_and_reason() -> None:
    assert set(table("event")) == {*EVENT_TYPES, "ping"} == set(data_schemas())
    reasons = {reason.value for reason in EndReason}
    assert set(table("reason")) == reasons
    assert set(data_schemas()["session.ended"]["properties"]["reason"]["enum"]) == reasons
    assert set(SCHEMA["$defs"]["actor"]["enum"]) == {actor.value for actor in Actor}


async def test_each_event_has_the_data_of_its_schema(hub: Hub) -> None:
    (endpoint,) = Settings(_env_file=None, webhook_urls=URL).webhook_urls
    await endpoints.register([endpoint])
    ann, ben = await hub.people(2)
    await ben.apply(ann.invitation_code)
    await ben.change_phone("+79990009999", await hub.code_for("+79990009999"))
    client = await Client.get(id=ann.id)
    await account.block(client)
    await account.unblock(client)
    await ben.delete()

    sent = [json.loads(each.body) for each in await deliveries.record_and_lease(endpoint, limit=99)]
    assert {event["type"] for event in sent} == set(EVENT_TYPES)
    for event in sent:
        schema = data_schemas()[event["type"]]
        assert set(event) == set(SCHEMA["required"])
        assert event["version"] == SCHEMA["properties"]["version"]["const"]
        assert set(schema["required"]) == set(event["data"]) == set(schema["properties"])
