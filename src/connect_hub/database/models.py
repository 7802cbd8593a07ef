"""The tables. Their constraints, triggers and functions are in `migrations`."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


# To add a field to a client: add it here, to CLIENT_COLUMNS and, if it is personal, to
# ERASED_COLUMNS; write a migration (`aerich migrate`, see docs/contributing.md); show it in
# `api/types.py` (the field and `Client.of`), and print `schema.graphql` anew.
class Client(Model):
    """A person who registered with a phone number."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    phone = fields.CharField(max_length=16, unique=True, null=True)  # E.164; null once deleted
    invitation_code = fields.CharField(max_length=6, unique=True)
    inviter: fields.ForeignKeyNullableRelation["Client"] = fields.ForeignKeyField(
        "models.Client", related_name="invited", null=True, on_delete=fields.RESTRICT
    )
    inviter_id: UUID | None
    invited_at = fields.DatetimeField(null=True)  # set by the trigger client_no_ring
    created_at = fields.DatetimeField(auto_now_add=True)
    deleted_at = fields.DatetimeField(null=True)
    blocked_at = fields.DatetimeField(null=True)  # by the operator
    # The code of the inviter at that time, or of a campaign. Null also for clients who applied a
    # code before codes could be renewed, whose inviter still has it.
    applied_invitation_code = fields.CharField(max_length=6, null=True)
    name = fields.CharField(max_length=64, null=True)

    invited: fields.ReverseRelation["Client"]

    applied_code: str | None = None  # the code that it applied, if the query selects it

    class Meta:
        table = "client"


APPLIED_CODE = "coalesce(client.applied_invitation_code, inviter.invitation_code)"
# What a request reads of its viewer; `inviter` is joined.
CLIENT_COLUMNS = f"""
    client.id, client.phone, client.invitation_code, client.created_at, client.name,
    {APPLIED_CODE} AS applied_code
"""
# What the deletion of an account erases; the row stays, since it links the clients whom it invited
# to its inviter.
ERASED_COLUMNS = ("phone", "name")


class InvitedCount(Model):
    """How many clients applied a client's codes; only triggers write it."""

    client: fields.OneToOneRelation[Client] = fields.OneToOneField(
        "models.Client", related_name="invited_count", primary_key=True, on_delete=fields.CASCADE
    )
    count = fields.BigIntField()  # those who are not deleted
    deleted = fields.BigIntField()  # the others

    class Meta:
        table = "invited_count"


class Campaign(Model):
    """An invitation code of the operator."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    code = fields.CharField(max_length=6, unique=True)
    uses = fields.IntField()  # counted by a trigger
    max_uses: int | None = fields.IntField(null=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)  # by the operator
    note = fields.CharField(max_length=200, null=True)

    class Meta:
        table = "campaign"


class RetiredCode(Model):
    """An invitation code that its client has replaced; it is never issued again."""

    code = fields.CharField(max_length=6, primary_key=True)
    retired_at = fields.DatetimeField()
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField(
        "models.Client", related_name="retired_codes", on_delete=fields.CASCADE
    )

    class Meta:
        table = "retired_code"


class Session(Model):
    """A place where a client is signed in; the row of an ended session is deleted."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField(
        "models.Client", related_name="sessions", on_delete=fields.CASCADE
    )
    nonce = fields.BinaryField()  # refresh tokens are computed from it
    generation = fields.IntField()  # of the latest tokens
    # the branch of the token that was exchanged for them
    parent: str | None = fields.TextField(null=True)
    seen_at = fields.DatetimeField(null=True)  # when one of the latest tokens was first used
    created_at = fields.DatetimeField()  # when the client signed in
    last_used_at = fields.DatetimeField()  # with a precision of a minute
    expires_at = fields.DatetimeField()
    device = fields.CharField(max_length=120, null=True)  # its User-Agent
    address = fields.CharField(max_length=43)  # of the last use: an IPv4 address or an IPv6 network

    class Meta:
        table = "session"
        indexes: ClassVar = [("client_id", "last_used_at"), ("expires_at",)]


class SignInCode(Model):
    """A code that was sent to a phone: the data that it is computed from, never the code."""

    # The phone (E.164). That of a bound code is followed by a space and a hash of its request's id.
    phone = fields.CharField(max_length=64, primary_key=True)
    # names the key of SECRET_KEY, which has several in a rotation
    key_id = fields.CharField(max_length=8)
    nonce = fields.BinaryField()
    length = fields.SmallIntField()  # digits
    expires_at = fields.DatetimeField()
    resend_at = fields.DatetimeField()
    sends = fields.SmallIntField()
    guesses = fields.SmallIntField()
    gateway: str | None = fields.TextField(null=True)  # that accepted the latest message
    # The guesses that a bound code has of its own: their rate limit, and their times in it.
    guess_limit = fields.BinaryField(null=True)
    guess_hits: list[datetime] | None = ArrayField(element_type="timestamptz", null=True)

    __repr__ = object.__repr__  # Tortoise's would show the phone

    class Meta:
        table = "sign_in_code"
        indexes: ClassVar = [("expires_at",)]


class Allowance(Model):
    """The uses of one rate limit by one subject, such as the wrong guesses for a phone."""

    key = fields.BinaryField(primary_key=True)  # keyed hash of the limit and the subject
    uses: list[datetime] = ArrayField(element_type="timestamptz")  # the latest ones, oldest first
    refused_until = fields.DatetimeField(null=True)  # the time that the last refusal named
    expires_at = fields.DatetimeField()

    class Meta:
        table = "allowance"
        indexes: ClassVar = [("expires_at",)]


class NumberBlock(Model):
    """How many codes were sent to a block of numbers in an hour, and how many were confirmed."""

    prefix = fields.CharField(max_length=8, primary_key=True)  # + country code and 4 digits
    since = fields.DatetimeField()
    sent = fields.IntField()
    confirmed = fields.IntField()
    alarmed_at = fields.DatetimeField(null=True)
    alarms = fields.IntField()  # raised so far; forgotten 30 days after the last one

    class Meta:
        table = "number_block"
        indexes: ClassVar = [("since",)]


class Event(Model):
    """A change that receivers of webhooks learn of; also the audit trail. It has no phone."""

    id = fields.UUIDField(primary_key=True)  # the webhook's id
    type = fields.CharField(max_length=40)  # such as `client.registered`
    client_id = fields.UUIDField()  # the client that it is about
    data: dict[str, str | None] = fields.JSONField()  # the rest of the webhook's data
    created_at = fields.DatetimeField()
    actor = fields.CharField(max_length=8)  # `client`, `operator` or `system`
    request_id = fields.CharField(max_length=32, null=True)
    address = fields.CharField(max_length=43, null=True)  # the network of the request
    device = fields.CharField(max_length=120, null=True)  # the User-Agent of the request
    trace: str | None = fields.TextField(null=True)  # `traceparent` of the request's span

    class Meta:
        table = "event"
        indexes: ClassVar = [("created_at",), ("client_id", "created_at")]


class WebhookDelivery(Model):
    """An event that an endpoint has not accepted yet; its row is deleted once it has."""

    id = fields.UUIDField(primary_key=True)
    event: fields.ForeignKeyRelation[Event] = fields.ForeignKeyField(
        "models.Event", related_name="deliveries", on_delete=fields.CASCADE
    )
    endpoint = fields.CharField(max_length=16)  # its id
    created_at = fields.DatetimeField()  # the event's
    attempts = fields.SmallIntField()  # that failed
    due_at = fields.DatetimeField(null=True)  # of the next attempt; null after the last one failed

    class Meta:
        table = "webhook_delivery"
        indexes: ClassVar = [("endpoint", "due_at"), ("event_id",), ("created_at",)]


class WebhookEndpoint(Model):
    """The state of a URL in WEBHOOK_URLS, which is stored as a hash."""

    id = fields.CharField(max_length=16, primary_key=True)  # hash of the URL
    origin = fields.TextField()  # scheme, host and port, for messages
    types: list[str] = ArrayField(element_type="text")  # of the events that it gets
    seen_at = fields.DatetimeField()  # when a server last had it in its settings
    delivered_at = fields.DatetimeField(null=True)  # the last success, to the minute
    failing_since = fields.DatetimeField(null=True)  # the first failure since the last success
    failure: str | None = fields.TextField(null=True)  # the latest one
    paused_until = fields.DatetimeField(null=True)  # by Retry-After
    disabled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "webhook_endpoint"
