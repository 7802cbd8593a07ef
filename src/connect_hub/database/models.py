"""What is kept. Constraints, triggers and functions beside these columns are in `migrations`."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


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
    blocked_at = fields.DatetimeField(null=True)  # by who runs the server

    invited: fields.ReverseRelation["Client"]

    applied_code: str | None = None  # the inviter's code, where a query joins it

    class Meta:
        table = "client"


class InvitedCount(Model):
    """How many clients applied one's code and are not deleted; written only by triggers."""

    client: fields.OneToOneRelation[Client] = fields.OneToOneField(
        "models.Client", related_name="invited_count", primary_key=True, on_delete=fields.CASCADE
    )
    count = fields.BigIntField()

    class Meta:
        table = "invited_count"


class Session(Model):
    """Where a client is signed in; an ended session is no row."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField(
        "models.Client", related_name="sessions", on_delete=fields.CASCADE
    )
    nonce = fields.BinaryField()  # its refresh tokens are computed from it
    generation = fields.IntField()  # of its latest tokens
    parent: str | None = fields.TextField(null=True)  # branch of the token they were exchanged for
    seen_at = fields.DatetimeField(null=True)  # when one of these first came back
    created_at = fields.DatetimeField()  # when the client signed in
    last_used_at = fields.DatetimeField()  # to the minute
    expires_at = fields.DatetimeField()
    device = fields.CharField(max_length=120, null=True)  # as its User-Agent names it
    address = fields.CharField(max_length=43)  # of the last use: IPv4, or a network of IPv6

    class Meta:
        table = "session"
        indexes: ClassVar = [("client_id", "last_used_at"), ("expires_at",)]


class SignInCode(Model):
    """The code last sent to a phone: what it is computed from, never the code itself."""

    phone = fields.CharField(max_length=16, primary_key=True)  # E.164
    key_id = fields.CharField(max_length=8)  # which key, while SECRET_KEY is being changed
    nonce = fields.BinaryField()
    length = fields.SmallIntField()  # digits
    expires_at = fields.DatetimeField()
    resend_at = fields.DatetimeField()
    sends = fields.SmallIntField()
    guesses = fields.SmallIntField()
    gateway: str | None = fields.TextField(null=True)  # which took it last, once it has

    __repr__ = object.__repr__  # Tortoise's shows the phone

    class Meta:
        table = "sign_in_code"
        indexes: ClassVar = [("expires_at",)]


class Allowance(Model):
    """When one subject used what is limited, such as a phone its guesses."""

    key = fields.BinaryField(primary_key=True)  # keyed hash of what is limited and of the subject
    uses: list[datetime] = ArrayField(element_type="timestamptz")  # the latest, oldest first
    refused_until = fields.DatetimeField(null=True)  # what the last try was told
    expires_at = fields.DatetimeField()

    class Meta:
        table = "allowance"
        indexes: ClassVar = [("expires_at",)]


class NumberBlock(Model):
    """How many codes went to a block of numbers within an hour, and were confirmed."""

    prefix = fields.CharField(max_length=8, primary_key=True)  # + country code and 4 digits
    since = fields.DatetimeField()
    sent = fields.IntField()
    confirmed = fields.IntField()
    alarmed_at = fields.DatetimeField(null=True)
    alarms = fields.IntField()  # raised so far; kept for 30 days after the last

    class Meta:
        table = "number_block"
        indexes: ClassVar = [("since",)]
