"""A request for a code that is bound to it, as a client that keeps its id."""

from dataclasses import dataclass
from typing import Any

from tests.support.hub import CLIENT, SIGN_IN, Hub, Person

REQUEST_CODE = """
mutation($phone: String!, $id: ID) { requestCode(phone: $phone, bind: true, requestId: $id) {
  __typename
  ... on CodeSent { phone smsCode requestId codeLength expiresAt resendAt }
  ... on TooManyRequestsError { limit retryAt liveCode { codeLength } }
  ... on UserError { message }
} }
"""
BOUND_SIGN_IN = SIGN_IN.replace("$code: String!)", "$code: String!, $id: ID)").replace(
    "code: $code)", "code: $code, requestId: $id)"
)
BOUND_CHANGE = """
mutation($phone: String!, $code: String!, $id: ID) {
  changePhone(phone: $phone, code: $code, requestId: $id) {
    __typename
    ... on PhoneChanged { client { phone } }
    ... on UserError { message }
} }
"""


@dataclass
class BoundRequest:
    """The latest answer to a request; its id and code are None if no code was sent."""

    hub: Hub
    phone: str
    answer: Any
    id: str | None = None
    code: str = ""

    @property
    def name(self) -> str:
        name: str = self.answer["__typename"]
        return name

    async def resend(self) -> Any:
        """Have the code sent again; keep what was sent."""
        self._keep(await self.hub.data(REQUEST_CODE, phone=self.phone, id=self.id))
        return self.answer

    async def login(self, code: str | None = None) -> Any:
        return await self._sign_in("login", code)

    async def register(self, code: str | None = None) -> Any:
        return await self._sign_in("register", code)

    async def change_phone(self, person: Person) -> Any:
        given = {"phone": self.phone, "code": self.code, "id": self.id}
        return (await self.hub.data(BOUND_CHANGE, token=person.token, **given))["changePhone"]

    async def _sign_in(self, verb: str, code: str | None) -> Any:
        given = {"phone": self.phone, "code": code or self.code, "id": self.id}
        return (await self.hub.data(BOUND_SIGN_IN % verb + CLIENT, **given))[verb]

    def _keep(self, data: Any) -> None:
        self.answer = data["requestCode"]
        if self.name == "CodeSent":
            self.id, self.code = self.answer["requestId"], self.answer["smsCode"]


async def bound(hub: Hub, phone: str) -> BoundRequest:
    """Request a bound code."""
    request = BoundRequest(hub, phone, None)
    await request.resend()
    return request
