"""What may a document cost? `python -m tests.attacks.documents [--seed 1] [--rounds 12] [KIND …]`.

Searches for the document of 16 KiB at most that costs the server the most CPU time, from its text
to the answer: for each kind of attack, documents are drawn at random and sent, by HTTP or by
WebSocket, to an application in this process, by a client who has invited 100 others. PostgreSQL is
a process of its own, and is not counted. Of each kind the worst document is shown, as a document
never seen before and as one that the server knows.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, NamedTuple
from urllib.parse import quote

import click
import httpx
import orjson
from graphql import get_introspection_query
from starlette.applications import Starlette

from connect_hub.app import create_app
from connect_hub.database import embedded
from connect_hub.database.config import serving_config
from connect_hub.database.migrations import migrate
from connect_hub.observability import logs
from connect_hub.security.keys import new_secret
from connect_hub.settings import Settings
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub, Person

MAX_LENGTH = 16 * 1024
GIVE_UP = 3.0  # seconds
REPETITIONS = 5  # of a document; the fastest counts, since the machine has other work


class Attack(NamedTuple):
    """An operation to send."""

    query: str
    variables: dict[str, Any] | None = None
    by_socket: bool = False


Kind = Callable[[Random], Attack]
KINDS: dict[str, Kind] = {}


def kind(draw: Kind) -> Kind:
    """Register a kind of attack by its name."""
    KINDS[draw.__name__] = draw
    return draw


def _name(draw: Random, like: str = "") -> str:
    """Draw a name, near to one of the schema."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cut = draw.randint(0, len(like))
    added = "".join(draw.choices(letters, k=draw.choice([1, 4, 12, 30])))
    return like[:cut] + added + like[cut + draw.randint(0, 2) :]


def _fill(draw: Random, part: str, *, around: str = "%s", tokens: int = 0) -> str:
    """Repeat a part, most often as far as limits on tokens let it."""
    most = max(1, (490 - around.count("{") * 2) // tokens) if tokens else 480
    count = draw.choice([most, most, most // 2, draw.randint(1, most)])
    return around.replace("%s", part * count)


CLIENT = "{id phone invitationCode someoneInvitationCode createdAt}"
PAGE = (
    "{totalCount nodes{id phone invitedAt}"
    "edges{cursor node{id phone invitedAt}}pageInfo{hasNextPage endCursor}}"
)
TYPES = [
    *("Client", "SignedIn", "InvitedClientConnection", "InvitationAlreadyAppliedError"),
    *("PhoneAlreadyRegisteredError", "ReauthenticationRequiredError", "String", "ID"),
]


@kind
def repeated_in_inline_fragments(draw: Random) -> Attack:
    part, tokens = draw.choice(
        [
            ("...{me{id}}", 7),
            (f"...{{me{CLIENT}}}", 11),
            ("...on Query{me{...{id}}}", 12),
            ("...{__typename}", 4),
            ("...{a:me{id}}", 9),
            ("...{__schema{types{name}}}", 10),
            ("...{me{invitedClients{nodes{id}}}}", 13),
        ]
    )
    return Attack(_fill(draw, part, around="{%s}", tokens=tokens))


@kind
def repeated_below_a_field(draw: Random) -> Attack:
    around, part, tokens = draw.choice(
        [
            ("{__schema{%s}}", "...{types{name}}", 7),
            ("{__schema{types{%s}}}", "...{fields{name}}", 7),
            ('{__type(name:"Query"){%s}}', "...{ofType{name}}", 7),
            ("{me{invitedClients{%s}}}", "...{nodes{id}}", 7),
            ("{me{invitedClients{nodes{%s}}}}", "...{id phone}", 5),
            ("{me{sessions{%s}}}", "...{id}", 4),
            ('mutation{login(phone:"1",code:"1"){%s}}', "...on UserError{message}", 6),
            ('mutation{login(phone:"1",code:"1"){%s}}', "...on SignedIn{client{id}}", 8),
        ]
    )
    return Attack(_fill(draw, part, around=around, tokens=tokens))


@kind
def repeated_in_spreads(draw: Random) -> Attack:
    spreads = draw.randint(1, 60)
    fragments = draw.randint(1, 20)
    inner = draw.choice(["me{id}", f"me{CLIENT}", "__typename", "__schema{types{name}}"])
    text = "{" + "".join(f"...F{n % fragments} " for n in range(max(spreads, fragments))) + "}"
    return Attack(text + "".join(f"fragment F{n} on Query{{{inner}}}" for n in range(fragments)))


@kind
def fragments_of_fragments(draw: Random) -> Attack:
    count, wide = draw.randint(2, 20), draw.randint(1, 8)
    on, around = draw.choice(
        [
            ("Client", "{me{...F0 %s}}"),
            ("InvitedClientConnection", "{me{invitedClients{...F0 %s}}}"),
            ("Query", "{...F0 %s}"),
            ("__Type", '{__type(name:"Query"){...F0 %s}}'),
        ]
    )
    leaf = draw.choice(["", "__typename ", "a:__typename "])
    last = "totalCount" if on == "InvitedClientConnection" else "__typename"
    chain = "".join(
        f"fragment F{n} on {on}{{{leaf}"
        + "".join(f"...F{min(count - 1, n + 1 + k % (count - n))} " for k in range(wide))
        + "}"
        for n in range(count - 1)
    )
    return Attack(around.replace("%s", leaf) + chain + f"fragment F{count - 1} on {on}{{{last}}}")


@kind
def fragments_in_circles(draw: Random) -> Attack:
    count, wide = draw.randint(2, 20), draw.randint(1, 6)
    chain = "".join(
        f"fragment F{n} on Query{{"
        + "".join(f"...F{draw.randrange(count)} " for _ in range(wide))
        + "}"
        for n in range(count)
    )
    return Attack("{...F0}" + chain)


@kind
def nested_inline_fragments(draw: Random) -> Attack:
    depth = draw.randint(1, 160)
    inner = draw.choice(["me{id}", "__typename", "__schema{types{name}}", ""])
    return Attack("{" + "...{" * depth + inner + "}" * depth + "}")


@kind
def pages_of_clients(draw: Random) -> Attack:
    first = draw.choice(["(first:100)", "(first:$n)", ""])
    aliases = draw.randint(1, 16)
    directive = draw.choice(["", "@include(if:true)"])
    inner = draw.choice([PAGE, "{nodes{id phone invitedAt}}", "{edges{node{id}}}"])
    if draw.random() < 0.3:
        labels = "label " + "".join(f"b{n}:label " for n in range(draw.randint(1, 7)))
        inner, aliases = f"{{nodes{{{labels}}}edges{{node{{{labels}}}}}}}", draw.randint(1, 2)
    if draw.random() < 0.3:
        inner = "{nodes{" + "...{id phone invitedAt}" * draw.randint(1, 4) + "}}"
    pages = "".join(f"a{n}:invitedClients{first}{inner}" for n in range(aliases - 1))
    declared = "query($n:Int!)" if "$" in first else "query"
    beside = draw.choice(["", "", "__schema{__typename}", '__type(name:"Nil"){name}'])
    query = f"{declared}{{{beside}me{{invitedClients{first}{inner}{pages}id{directive}}}}}"
    return Attack(query, {"n": 100})


@kind
def viewers(draw: Random) -> Attack:
    aliases = draw.randint(1, 16)
    directive = draw.choice(["", "@include(if:true)"])
    inner = draw.choice([CLIENT, "{invitedClients(first:100){nodes{id}}}", "{sessions{id device}}"])
    query = "{" + "".join(f"a{n}:me{directive}{inner}" for n in range(aliases)) + "}"
    return Attack(query)


@kind
def introspection(draw: Random) -> Attack:
    options: dict[str, Any] = {
        "specified_by_url": draw.random() < 0.9,
        "directive_is_repeatable": draw.random() < 0.9,
        "schema_description": draw.random() < 0.9,
        "input_value_deprecation": draw.random() < 0.9,
    }
    return Attack(get_introspection_query(**options))


@kind
def deep_introspection(draw: Random) -> Attack:
    """Draw a path that comes back to where it was: types → fields → type → fields → …"""
    steps = {
        "__Schema": ["types{%}__Type", "queryType{%}__Type", "mutationType{%}__Type"],
        "__Type": [
            *("fields{%}__Field", "possibleTypes{%}__Type", "interfaces{%}__Type"),
            *("ofType{%}__Type", "enumValues{%}__EnumValue"),
        ],
        "__Field": ["type{%}__Type", "type{%}__Type", "args{%}__InputValue"],
        "__InputValue": ["type{%}__Type"],
        "__EnumValue": ["name__EnumValue"],
    }
    at, text = "__Schema", "{__schema{%}}"
    for _ in range(draw.randint(1, 15)):
        step = draw.choice(steps[at])
        if "%" not in step:
            break
        inner, _, at = step.partition("}")
        text = text.replace("%", f"{inner}}}")
    leaves = ["name", "description", "name description", "__typename", "...{name}"]
    leaf = draw.choice(leaves) if at != "__Schema" else "description"
    return Attack(text.replace("%", leaf))


@kind
def many_introspections(draw: Random) -> Attack:
    count = draw.randint(1, 15)
    name = draw.choice(["Mutation", "Client", "__Type"])
    inner = draw.choice(
        ["{name}", "{fields{name type{name ofType{name}}}}", "{fields{name args{name type{name}}}}"]
    )
    one = draw.choice([f'__type(name:"{name}"){inner}', f"__schema{{types{inner}}}"])
    return Attack("{" + "".join(f"a{n}:{one}" for n in range(count)) + "}")


@kind
def unknown_names(draw: Random) -> Attack:
    count = draw.randint(1, 60)
    like = draw.choice(TYPES)
    field_ = draw.choice(["someoneInvitationCode", "invitedClients", "createdAt"])
    forms = [
        lambda: "{" + "".join(f"...on {_name(draw, like)}{{id}}" for _ in range(count)) + "}",
        lambda: (
            "query("
            + "".join(f"$a{n}:{_name(draw, like)} " for n in range(count))
            + "){__typename}"
        ),
        lambda: "{me{" + "".join(f"{_name(draw, field_)} " for _ in range(count)) + "}}",
        lambda: (
            "{me{invitedClients("
            + "".join(f"{_name(draw, 'first')}:1 " for _ in range(count))
            + "){totalCount}}}"
        ),
        lambda: "{" + "".join(f"...{_name(draw)} " for _ in range(count)) + "}",
        lambda: "{__typename" + "".join(f"@{_name(draw, 'include')}" for _ in range(20)) + "}",
        lambda: "{__typename" + "".join(f"@skip({_name(draw, 'if')}:1)" for _ in range(20)) + "}",
        lambda: "{" + "a" * draw.randint(1, 16_000) + "}",
        lambda: "{...on " + "A" * draw.randint(1, 16_000) + "{id}}",
        lambda: (
            "".join(f"fragment F{n} on {_name(draw, like)}{{id}}" for n in range(min(count, 20)))
            + "{id}"
        ),
    ]
    return Attack(draw.choice(forms)())


@kind
def the_same_name_again(draw: Random) -> Attack:
    lines = "\n" * draw.choice([0, 100, 14_000])
    count = draw.randint(2, 150)
    forms = [
        lambda: "{me(" + "a:1," * count + "){id}}",
        lambda: "{me(" + "".join(f"a{n}:1,a{n}:2 " for n in range(count // 2)) + "){id}}",
        lambda: "query(" + "$a:Int " * min(count, 110) + "){__typename}",
        lambda: "query A{__typename}" * min(count, 90),
        lambda: "{__typename}" * count,
        lambda: "{__typename}" + "fragment F on Query{id}" * min(count, 20),
        lambda: "{__typename " + "@skip(if:true)" * 20 + "}",
        lambda: "mutation{login(phone:{" + "a:1 " * count + '},code:"1"){__typename}}',
        lambda: "{me{a:id a:phone " + "a:createdAt " * draw.randint(0, 13) + "}}",
    ]
    return Attack(lines + draw.choice(forms)())


@kind
def many_operations(draw: Random) -> Attack:
    count = draw.randint(1, 80)
    one = draw.choice(
        [
            "query A%{me{id}}",
            "query A%{...F}",
            "query A%($a:Int!){me{invitedClients(first:$a){totalCount}}}",
            "query A%{__typename@skip(if:true)}",
            "query A%($a:Boolean=true){__typename@skip(if:$a)}",
            "mutation A%{deleteAccount{__typename}}",
        ]
    )
    text = "".join(one.replace("%", str(n)) for n in range(count))
    return Attack(text + ("fragment F on Query{me{id}}" if "F" in one else ""))


@kind
def variables_and_fragments(draw: Random) -> Attack:
    operations, uses = draw.randint(1, 30), draw.randint(1, 14)
    declared = "".join(f"$a{n}:Int! " for n in range(draw.randint(1, 3)))
    text = "".join(f"query A{n}({declared}){{...F}}" for n in range(operations))
    used = "".join(f"b{n}:invitedClients(first:$a{n % 3}){{totalCount}}" for n in range(uses))
    return Attack(f"{text}fragment F on Query{{me{{{used}}}}}")


@kind
def declared_variables(draw: Random) -> Attack:
    count = draw.randint(1, 110)
    type_ = draw.choice(["Int", "[[[[Int]]]]", "String!", "Client", "Boolean=true", "Int=[1]"])
    return Attack("query(" + "".join(f"$a{n}:{type_} " for n in range(count)) + "){__typename}")


@kind
def directives(draw: Random) -> Attack:
    condition = draw.choice(["true", "false", "$a"])
    declared = "query($a:Boolean!)" if condition == "$a" else "query"
    one = f"@include(if:{condition})"
    count = draw.randint(1, 20)
    forms = [
        f"{{me{{{f'id{one} ' * count}}}}}",
        "{" + f"...{one}{{me{{id}}}}" * count + "}",
        f"{{me{one}{{invitedClients(first:100){{nodes{{id{one} phone{one} invitedAt{one}}}}}}}}}",
        "{" + "".join(f"a{n}:__typename{one}" for n in range(15)) + "}",
    ]
    return Attack(declared + draw.choice(forms), {"a": True})


@kind
def literals(draw: Random) -> Attack:
    count = draw.randint(1, 460)
    deep = draw.randint(1, 120)
    long = draw.randint(1, 16_000)
    value = draw.choice(
        [
            "[" + "1 " * count + "]",
            "[" * deep + "1" + "]" * deep,
            "{" + "".join(f"a{n}:1 " for n in range(min(count, 150))) + "}",
            "{a:" * deep + "1" + "}" * deep,
            '"' + "x" * long + '"',
            '"' + "\\u0041" * (long // 7) + '"',
            '"' + "\\n" * (long // 2) + '"',
            '"' + "\\u{1F600}" * (long // 10) + '"',
            '"""' + "\n" * long + '"""',
            '"""' + "\n x" * (long // 3) + '"""',
            '"""' + ' \\"""' * (long // 5) + '"""',
            "9" * long,
            "-" + "9" * long,
            "1" + "0" * long + ".5",
            "1e" + "9" * long,
            "A" * long,
            "[" + ("9" * 400 + " ") * (long // 402) + "]",
        ]
    )
    forms = [
        f'mutation{{login(phone:{value},code:"1"){{__typename}}}}',
        f"{{me{{invitedClients(first:{value}){{totalCount}}}}}}",
        f"query($a:Int={value}){{me{{invitedClients(first:$a){{totalCount}}}}}}",
        f"{{__typename@include(if:{value})}}",
        f"mutation{{endSession(id:{value}){{__typename}}}}",
        f"{{me(a:{value}){{id}}}}",
    ]
    return Attack(draw.choice(forms))


@kind
def texts_that_are_not_parsed(draw: Random) -> Attack:
    long = draw.randint(1, MAX_LENGTH)
    return Attack(
        draw.choice(
            [
                "," * long,
                "\n" * long,
                "#\n" * (long // 2),
                "#" + "x" * long,
                "\ufeff" * (long // 3),
                "{" * 499,
                "{a" * 240,
                "a" * long,
                "\r" * long + "{",
                '"' + "x" * long,
                '"""' + "x\n" * (long // 2),
                ("a" * 30 + " ") * (long // 31),
                "{" + "[" * 490,
                "query(" + "$a:" + "[" * 480,
                "{__typename}" + "\n" * long + "\x00",
            ]
        )
    )


@kind
def definitions_of_types(draw: Random) -> Attack:
    count = draw.randint(1, 150)
    return Attack(
        draw.choice(
            [
                "type A{" + "a:Int " * count + "}",
                "extend type Query{" + "a:Int " * count + "}",
                "".join(f"scalar A{n} " for n in range(count)),
                "directive @a on " + "|FIELD" * count,
                "union A=" + "|B" * count,
                "enum A{" + "B " * count + "}",
                '"""' + "x\n" * (50 * count) + '"""type A{a:Int}',
                "schema{" + "query:A " * count + "}",
            ]
        )
    )


@kind
def values_of_variables(draw: Random) -> Attack:
    count = draw.randint(1, 60)
    value: Any = draw.choice(
        [
            "x" * 60_000,
            list(range(10_000)),
            {f"a{n}": n for n in range(4_000)},
            "\u00e9" * 20_000,
            2**63,
            1e300,
            [[[[[[1]]]]]],
            {"a": {"b": {"c": {"d": ["e"] * 5_000}}}},
        ]
    )
    for _ in range(draw.choice([0, 100])):
        value = [value] if len(orjson.dumps(value)) < 50_000 else value
    type_ = draw.choice(["Int", "String", "ID", "Boolean", "Int!", "[Int]", "[[String!]]"])
    declared = "".join(f"$a{n}:{type_} " for n in range(count))
    if type_ == "Int":
        used = "".join(f"b{n}:invitedClients(first:$a{n}){{totalCount}}" for n in range(15))
        return Attack(f"query($a0:Int!){{me{{{used[:46]}}}}}", {"a0": value})
    given = {f"a{n}": value if n == 0 else 1 for n in range(count)}
    return Attack(f"query({declared}){{__typename}}", given)


@kind
def values_that_do_not_fit(draw: Random) -> Attack:
    value = draw.choice(
        ["x" * 50_000, list(range(9_000)), {f"a{n}": n for n in range(4_000)}, 1e99]
    )
    argument, type_ = draw.choice([("phone", "String!"), ("code", "String!")])
    other = {"phone": 'code:"1"', "code": 'phone:"1"'}[argument]
    query = f"mutation($a:{type_}){{login({argument}:$a,{other}){{__typename}}}}"
    return Attack(query, {"a": value})


@kind
def members_of_unions(draw: Random) -> Attack:
    operation, members = draw.choice(
        [
            (
                'changePhone(phone:"1",code:"1")',
                ["PhoneChanged", "InvalidPhoneError", "InvalidCodeError", "TooManyRequestsError"],
            ),
            ('login(phone:"1",code:"1")', ["SignedIn", "InvalidPhoneError", "InvalidCodeError"]),
            ('requestCode(phone:"1")', ["CodeSent", "InvalidPhoneError", "CountryNotServedError"]),
        ]
    )
    leaf = {"PhoneChanged": "client{id}", "SignedIn": "client{id}", "CodeSent": "phone"}
    count = draw.randint(1, 12)
    inner = "".join(f"...on {m}{{{leaf.get(m, 'message')}}}" for m in members) * count
    return Attack(f"mutation{{{operation}{{__typename {inner}}}}}")


@kind
def subscriptions(draw: Random) -> Attack:
    one, tokens = draw.choice(
        [
            ("...{clientInvited{id}}", 7),
            ("...F ", 2),
            ("...{clientInvited{id phone invitedAt}}", 9),
            ("...{a:clientInvited{id}}", 9),
            ("clientInvited{id}", 4),
            (f"{_name(draw, 'clientInvited')} ", 1),
        ]
    )
    text = _fill(draw, one, around="subscription{%s}", tokens=tokens)
    if "F" in one:
        text += "fragment F on Subscription{clientInvited{id phone}}"
    return Attack(text, by_socket=True)


@kind
def anything_by_socket(draw: Random) -> Attack:
    kinds = [one for one in KINDS.values() if one is not anything_by_socket]
    drawn = draw.choice(kinds)(draw)
    if drawn.query.startswith("{") and draw.random() < 0.7:
        inner = drawn.query.replace("me{", "clientInvited{").replace("on Query", "on Subscription")
        return Attack("subscription" + inner, drawn.variables, by_socket=True)
    return drawn._replace(by_socket=True)


@dataclass
class Server:
    """The application, called without a network."""

    app: Starlette
    person: Person
    hub: Hub
    _count: int = 0
    _seen: list[Any] = field(default_factory=list)

    async def cost(self, attack: Attack, *, known: bool = False) -> tuple[float, str]:
        """Measure milliseconds of CPU from the text to the response, and summarize the response."""
        ask = self._by_socket if attack.by_socket else self._by_http
        costs = []
        for _ in range(REPETITIONS):
            self._count += 0 if known else 1
            # The same document, under a text that the server has not seen.
            query = f"{attack.query}#{'' if known else self._count}"
            signal.setitimer(signal.ITIMER_REAL, GIVE_UP)
            costs.append(await ask({"query": query, "variables": attack.variables}))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if costs[-1][0] > GIVE_UP * 500:
                break
        return min(costs)

    async def _by_http(self, parameters: dict[str, Any]) -> tuple[float, str]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"hub"),
                (b"content-type", b"application/json"),
                (b"authorization", f"Bearer {self.person.token}".encode()),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }
        body = orjson.dumps(parameters)
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        started = process_time()
        await self.app(scope, receive, send)
        spent = (process_time() - started) * 1000
        return spent, _gist(b"".join(message.get("body", b"") for message in sent))

    async def _by_socket(self, parameters: dict[str, Any]) -> tuple[float, str]:
        async with self._connected() as (say, hear):
            await say({"type": "connection_init", "payload": self._authorization()})
            await hear()
            started = process_time()
            await say({"type": "subscribe", "id": "1", "payload": parameters})
            await say({"type": "ping"})
            answer = await hear()
            if answer["type"] != "pong":
                await hear()
            spent = (process_time() - started) * 1000
            return spent, _gist(orjson.dumps(answer))

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.person.token}"}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Any, Any]]:
        to_server: asyncio.Queue[Any] = asyncio.Queue()
        to_client: asyncio.Queue[Any] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"hub")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": ["graphql-transport-ws"],
            "state": {},
        }
        await to_server.put({"type": "websocket.connect"})
        serving = asyncio.create_task(self.app(scope, to_server.get, to_client.put))
        await to_client.get()

        async def say(message: Any) -> None:
            text = orjson.dumps(message).decode()
            await to_server.put({"type": "websocket.receive", "text": text})

        async def hear() -> Any:
            async with asyncio.timeout(60):
                return orjson.loads((await to_client.get())["text"])

        try:
            yield say, hear
        finally:
            await to_server.put({"type": "websocket.disconnect", "code": 1000})
            await serving


def _give_up(*_: Any) -> None:
    raise TimeoutError(f"over {GIVE_UP} s")


def _gist(answer: bytes) -> str:
    return f"{len(answer):>6} B {answer[:110].decode(errors='replace')}"


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Serve a client who has invited 100 others and signed in 20 times."""
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="connect-hub-")))
        held.enter_context(embedded.running(folder))
        socket = quote(str(embedded.socket_folder(folder)), safe="")
        settings = Settings(
            _env_file=None,
            database_url=f"postgresql://{embedded.USER}@/{embedded.DATABASE}?host={socket}",
            secret_key=new_secret(),
            sms_urls=("simulated://?delay=0-0",),
            allowed_hosts=("hub",),
            trusted_proxies=("127.0.0.1/32",),
        )
        await migrate(serving_config(settings))
        app = create_app(settings, SimulatedSender(0, 0))
        await held.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = await held.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://hub")
        )
        hub = Hub(http)
        person, *guests = await hub.people(101)
        for guest in guests:
            await guest.apply(person.invitation_code)
        yield Server(app, person, hub)


async def _search(kinds: list[str], *, seed: int, rounds: int) -> None:
    async with serving() as server:
        gc.collect()
        for name in kinds:
            draw = Random(f"{seed} {name}")  # noqa: S311 (to be drawn again)
            worst, worst_attack = (0.0, ""), None
            for _ in range(rounds):
                attack = KINDS[name](draw)
                if len(attack.query) > MAX_LENGTH - 10:
                    continue
                cost = await server.cost(attack)
                if cost > worst:
                    worst, worst_attack = cost, attack
            if worst_attack is None:
                continue
            await server.cost(worst_attack, known=True)
            known, _ = await server.cost(worst_attack, known=True)
            spent, gist = worst
            shown = worst_attack.query.replace("\n", "\\n")[:90]
            click.echo(f"{spent:8.1f} {known:8.1f} ms  {name:30} {gist}")
            click.echo(f"{'':22} {len(worst_attack.query):>6} characters: {shown}")


@click.command
@click.option("--seed", default=1, show_default=True)
@click.option("--rounds", default=12, show_default=True, help="Documents drawn of each kind.")
@click.argument("kinds", nargs=-1)
def main(seed: int, rounds: int, kinds: tuple[str, ...]) -> None:
    """Search for documents that cost much."""
    logs.configure()  # to standard error, as in production
    signal.signal(signal.SIGALRM, _give_up)
    click.echo("     new    known")
    asyncio.run(_search(list(kinds) or list(KINDS), seed=seed, rounds=rounds))


if __name__ == "__main__":
    main()
