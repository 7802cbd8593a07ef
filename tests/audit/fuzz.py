# ruff: noqa: INP001 (loaded by schemathesis, in an environment of its own)
"""Hooks for schemathesis: real people, codes and tokens, and checks of responses.

The server's address is in the environment, as SERVER.
"""

import os
import re
from functools import partial
from itertools import count
from pathlib import Path
from secrets import randbelow
from typing import Any

import requests
import schemathesis
from graphql import (
    FieldNode,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    NameNode,
    SelectionSetNode,
    Visitor,
    build_schema,
    execute_sync,
    parse,
    print_ast,
    visit,
)
from schemathesis import Case, CheckContext, HookContext, Response

REQUEST_CODE = "mutation($phone: String!) { requestCode(phone: $phone) {...on CodeSent {smsCode}}}"
REGISTER = """mutation($phone: String!, $code: String!) {
    register(phone: $phone, code: $code) {
        ... on SignedIn { accessToken refreshToken client { invitationCode } }
    }
}"""
APPLY_INVITE = """mutation($code: String!) {
    applyInvite(invitationCode: $code) { ... on InviteApplied { client { id } } }
}"""
CURSOR = "{ me { invitedClients(first: 1) { pageInfo { endCursor } } } }"
SESSIONS = "{ me { sessions { id } } }"
# These operations run as a new person, so that no other test loses its session.
ENDING = re.compile("refreshSession|endSession|endOtherSessions|changePhone|deleteAccount")
UNREACHABLE = {
    "CountryNotServedError",
    "SmsNotSentError",
    "TooManyRequestsError",
    "ReauthenticationRequiredError",  # ten minutes after the sign-in
    # With other settings than the server's.
    "InvitationRequiredError",
    "InvitationUsedUpError",
    "RegistrationClosedError",
    "RegistrationRefusedError",
}
SCALARS = {
    "PhoneNumber": re.compile(r"\+[1-9]\d{6,14}"),
    "DateTime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
}


def ask(query: str, *, token: str = "", **variables: str) -> Any:
    response = requests.post(
        os.environ["SERVER"],
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=10,
    )
    (answer,) = response.json()["data"].values()
    return answer


numbers = count(79160000000 + randbelow(9 * 10**6))
turns = count()


def somebody() -> tuple[str, str, str]:
    """Register a person; return token, invitation code and refresh token."""
    phone = f"+{next(numbers)}"
    code = ask(REQUEST_CODE, phone=phone)["smsCode"]
    signed_in = ask(REGISTER, phone=phone, code=code)
    invitation_code = signed_in["client"]["invitationCode"]
    return signed_in["accessToken"], invitation_code, signed_in["refreshToken"]


people = [somebody() for _ in range(4)]
for token, *_ in people[1:]:
    ask(APPLY_INVITE, token=token, code=people[0][1])


@schemathesis.hook
def before_call(_ctx: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Replace placeholders by real values, and select every `__typename`."""
    token, *_ = people[0]
    query = print_ast(visit(parse(str(case.body)), Typenames()))
    query = query.replace('"PHONE"', f'"+{next(numbers)}"')
    if '"CODE"' in query and (phone := re.search(r'phone: "([ \d()+-]+)"', query)):
        code = ask(REQUEST_CODE, phone=phone[1]).get("smsCode", "")
        query = query.replace('"CODE"', f'"{code}"')
    if '"INVITATION"' in query:
        token, code = invitation()
        query = query.replace('"INVITATION"', f'"{code}"')
    if '"CURSOR"' in query:
        cursor = ask(CURSOR, token=token)["invitedClients"]["pageInfo"]["endCursor"]
        query = query.replace('"CURSOR"', f'"{cursor or ""}"')
    if ENDING.search(query):
        token, _, refresh_token = somebody()
        query = query.replace('"REFRESH"', f'"{refresh_token}"')
        session = ask(SESSIONS, token=token)["sessions"][0]["id"]
        query = query.replace('"SESSION"', f'"{session}"')
    case.body = query
    case.headers["Authorization"] = f"Bearer {token}"


def invitation() -> tuple[str, str]:
    """Choose a token and the invitation code that its owner applies, each with another end."""
    turn = next(turns) % 4
    if turn == 0:
        people.append(somebody())
    (anns_token, anns_code, _), (bens_token, bens_code, _) = people[0], people[-1]
    return (
        (bens_token, anns_code),  # the first time
        (bens_token, anns_code),  # again
        (bens_token, bens_code),  # one's own
        (anns_token, bens_code),  # a ring
    )[turn]


class Typenames(Visitor):
    """Selects `__typename` everywhere."""

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        typename = FieldNode(name=NameNode(value="__typename"), arguments=(), directives=())
        return SelectionSetNode(selections=(*node.selections, typename))


@schemathesis.check
class EachAnswerIsWhatTheSchemaSays:
    """Refuses what differs from the schema, and a run that has not seen all it can see."""

    def __init__(self) -> None:
        self.schema = strict(build_schema(Path("../../schema.graphql").read_text()))
        self.seen: set[str] = set()

    def after_response(self, _ctx: CheckContext, response: Response, case: Case[Any]) -> None:
        answer = response.json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert response.status_code == 200, response.status_code
        if case.meta and case.meta.generation.mode.is_negative:
            assert codes, "an invalid document is refused"
            assert codes <= {"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}, codes
            return
        assert codes <= {"BAD_USER_INPUT"}, codes
        told = execute_sync(
            self.schema,
            parse(str(case.body)),
            root_value=answer["data"],
            field_resolver=lambda source, info, **_: source[info.path.key],
            type_resolver=lambda value, *_: value["__typename"],
        )
        assert told.errors is None, told.errors
        assert told.data == answer["data"], "it holds more than was asked for"
        self.seen |= set(re.findall(r'"__typename": ?"(\w+)"', response.text))

    def after_run(self, _ctx: CheckContext) -> None:
        kinds = self.schema.type_map.values()
        unions = [kind for kind in kinds if isinstance(kind, GraphQLUnionType)]
        possible = {member.name for union in unions for member in union.types}
        assert self.seen >= possible - UNREACHABLE, possible - UNREACHABLE - self.seen


def strict(schema: GraphQLSchema) -> GraphQLSchema:
    """Make the schema refuse a scalar of the wrong form."""
    for name in SCALARS:
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.serialize = partial(formed, name)  # type: ignore[method-assign]  # as intended
    return schema


def formed(name: str, value: str) -> str:
    if not SCALARS[name].fullmatch(value):
        raise ValueError(f"{value!r} is no {name}")
    return value
