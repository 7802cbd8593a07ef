"""What is kept. Constraints, triggers and functions beside these columns are in `migrations`."""

from typing import ClassVar
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model


class Client(Model):
    """A person who registered with a phone number."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    phone = fields.CharField(max_length=16, unique=True, null=True)  # E.164; null once deleted
    invitation_code = fields.CharField(max_length=6, unique=True)
    inviter: fields.ForeignKeyNullableRelation["Client"] = fields.ForeignKeyField(
        "models.Client", related_name="invited", null=True, on_delete=fields.RESTRICT
    )
    inviter_id: str | None
    invited_at = fields.DatetimeField(null=True)  # set by the trigger client_no_ring
    created_at = fields.DatetimeField(auto_now_add=True)
    deleted_at = fields.DatetimeField(null=True)

    invited: fields.ReverseRelation["Client"]

    class Meta:
        table = "client"
        indexes: ClassVar = [("inviter_id", "invited_at", "id")]  # a page of invited clients


class InvitedCount(Model):
    """How many clients applied one's code; written only by the trigger client_no_ring."""

    client: fields.OneToOneRelation[Client] = fields.OneToOneField(
        "models.Client", related_name="invited_count", primary_key=True, on_delete=fields.CASCADE
    )
    count = fields.BigIntField()

    class Meta:
        table = "invited_count"


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

    class Meta:
        table = "sign_in_code"
        indexes: ClassVar = [("expires_at",)]
