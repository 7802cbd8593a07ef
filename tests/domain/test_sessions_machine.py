"""A model of sessions: after any sequence of operations, the server agrees with it.

Hypothesis chooses, in a thread of its own; the server stays on the event loop of all tests.
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import jwt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connect_hub.database.connections import fetch
from tests.support.hub import Hub, Person, pass_time

EXAMPLES = max(1, int(os.environ.get("FUZZ_EXAMPLES", "100")) // 3)
STEPS = 30

MINUTE, DAY = 60, 86_400
OVERLAP, FRESH = 30, 10 * MINUTE
FEW = 4  # sessions, so that much happens to each
IDLE, ABSOLUTE = 30 * DAY, 180 * DAY

PHONE = st.sampled_from([f"+7999000000{n}" for n in range(3)])
PLACE = st.sampled_from([0, 0, 0, 1, 1, 2, 3])  # the sessions that started last come first
BACK = st.sampled_from([0, 0, 1, 1, 2])  # generations

Answer = TypeVar("Answer")


@dataclass
class Session:
    """The expected state of a session, in seconds of the model."""

    client: str
    id: str
    created: int
    used: int
    seen: int | None
    pairs: list[Person]  # by generation, each exchanged for the next one
    strays: list[tuple[int, Person]] = field(default_factory=list)  # other branches
    ended: bool = False

    @property
    def generation(self) -> int:
        return len(self.pairs) - 1

    def is_active(self, now: int) -> bool:
        return not self.ended and now - self.used < IDLE and now - self.created < ABSOLUTE

    def note_use(self, generation: int, now: int) -> None:
        """Expect a write once a minute, and when tokens of a generation are first seen."""
        first = generation == self.generation and self.seen is None
        if first or now - self.used >= MINUTE:
            self.used = now
        if first:
            self.seen = now


class Sessions(RuleBasedStateMachine):
    """All that people do with sessions."""

    hub: Hub
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.clients: dict[str, str] = {}  # by phone
        self.sessions: list[Session] = []
        for table in ("invited_count", "client", "sign_in_code", "allowance"):
            self.do(fetch(f"DELETE FROM {table}"))

    def do(self, what: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def code_for(self, phone: str) -> str:
        self.do(fetch("DELETE FROM sign_in_code"))
        self.do(fetch("DELETE FROM allowance"))
        return self.do(self.hub.code_for(phone))

    def session(self, place: int) -> Session:
        return self.sessions[-1 - place % len(self.sessions)]

    def active_sessions(self, client: str) -> list[Session]:
        return [
            each for each in self.sessions if each.client == client and each.is_active(self.now)
        ]

    def somebody(self) -> bool:
        return bool(self.sessions)

    def few(self) -> bool:
        return sum(each.is_active(self.now) for each in self.sessions) < FEW

    def ask(self, asking: Session, back: int, what: str, *arguments: str) -> Any:
        """Do something with an access token; None if it was refused, as it must be."""
        generation = max(0, asking.generation - back)
        person = asking.pairs[generation]
        works = self.do(person.works())
        assert works is asking.is_active(self.now)
        if not works:
            return None
        asking.note_use(generation, self.now)
        return self.do(getattr(person, what)(*arguments))

    @precondition(few)
    @rule(phone=PHONE)
    def sign_in(self, phone: str) -> None:
        verb = self.hub.login if phone in self.clients else self.hub.register
        answer = self.do(verb(phone, self.code_for(phone)))
        assert answer["__typename"] == "SignedIn"
        person = self.hub.signed_in(answer)
        assert self.clients.setdefault(phone, person.id) == person.id
        claims = jwt.decode(person.token, options={"verify_signature": False})
        now = self.now
        self.sessions.append(Session(person.id, claims["sid"], now, now, now, [person]))

    @precondition(somebody)
    @rule(place=PLACE, back=BACK)
    def refresh(self, place: int, back: int) -> None:
        session = self.session(place)
        generation = max(0, session.generation - back)
        latest = session.pairs[-1]
        is_latest = generation == session.generation
        is_former = generation == session.generation - 1 and (
            session.seen is None or self.now - session.seen < OVERLAP
        )
        person = Person(**vars(session.pairs[generation]))
        answer = self.do(person.refresh())["__typename"]
        if not session.is_active(self.now):
            assert answer == "InvalidRefreshTokenError"
        elif is_latest or is_former:
            assert answer == "SignedIn"
            assert person.refresh_token != latest.refresh_token
            session.strays += [(generation + 1, stray) for stray in session.pairs[generation + 1 :]]
            session.pairs[generation + 1 :] = [person]
            session.used = self.now
            session.seen = None if is_latest else session.seen
        else:
            assert answer == "InvalidRefreshTokenError"
            session.ended = True

    @precondition(somebody)
    @rule(place=PLACE, data=st.data())
    def refresh_on_another_branch(self, place: int, data: st.DataObject) -> None:
        session = self.session(place)
        if not session.strays:
            return
        generation, stray = session.strays.pop(data.draw(st.integers(-len(session.strays), -1)))
        person = Person(**vars(stray))
        answer = self.do(person.refresh())["__typename"]
        if session.is_active(self.now) and generation == session.generation:
            assert answer == "SignedIn"
            session.strays.append((generation, session.pairs[-1]))
            session.pairs[-1:] = [stray, person]
            session.used, session.seen = self.now, None
        else:
            assert answer == "InvalidRefreshTokenError"
            session.ended = True

    @precondition(somebody)
    @rule(place=PLACE, back=BACK)
    def look(self, place: int, back: int) -> None:
        asking = self.session(place)
        listed = self.ask(asking, back, "sessions")
        if listed is not None:
            active_sessions = {
                each.id: each is asking for each in self.active_sessions(asking.client)
            }
            assert {each["id"]: each["current"] for each in listed} == active_sessions

    @precondition(somebody)
    @rule(
        place=PLACE,
        back=BACK,
        how=st.sampled_from(["one", "others", "phone", "account"]),
        data=st.data(),
    )
    def end(self, place: int, back: int, how: str, data: st.DataObject) -> None:
        """End a session or more: one rule for all ways, or few would live for long."""
        asking = self.session(place)
        match how:
            case "one":
                self._end_one(asking, back, self.session(data.draw(PLACE)))
            case "others":
                self._end_others(asking, back)
            case "phone":
                self._change_phone(asking, back, data.draw(PHONE))
            case "account":
                self._delete(asking, back)

    def _end_one(self, asking: Session, back: int, target: Session) -> None:
        known = target in self.active_sessions(asking.client)
        answer = self.ask(asking, back, "end", target.id)
        if answer and known:
            assert answer == {"__typename": "SessionEnded", "id": target.id}
            target.ended = True
        elif answer:
            assert answer == self.ask(asking, back, "end", str(uuid4()))
            assert answer["__typename"] == "SessionNotFoundError"

    def _end_others(self, asking: Session, back: int) -> None:
        others = [each for each in self.active_sessions(asking.client) if each is not asking]
        answer = self.ask(asking, back, "end_others")
        if answer and self.now - asking.created >= FRESH:
            assert answer["__typename"] == "ReauthenticationRequiredError"
        elif answer:
            assert answer["count"] == len(others)
            self._all_ended(others)

    def _change_phone(self, asking: Session, back: int, phone: str) -> None:
        others = [each for each in self.active_sessions(asking.client) if each is not asking]
        answer = self.ask(asking, back, "change_phone", phone, self.code_for(phone))
        if not answer:
            return
        if self.now - asking.created >= FRESH:
            assert answer["__typename"] == "ReauthenticationRequiredError"
        elif self.clients.get(phone, asking.client) != asking.client:
            assert answer["__typename"] == "PhoneAlreadyRegisteredError"
        else:
            assert answer["client"]["phone"] == phone
            self._leave_phone(asking.client)
            self.clients[phone] = asking.client
            self._all_ended(others)

    def _delete(self, asking: Session, back: int) -> None:
        theirs = self.active_sessions(asking.client)
        answer = self.ask(asking, back, "delete")
        if not answer:
            return
        if self.now - asking.created >= FRESH:
            assert answer["__typename"] == "ReauthenticationRequiredError"
        else:
            assert answer["__typename"] == "AccountDeleted"
            self._leave_phone(asking.client)
            self._all_ended(theirs)

    @rule(seconds=st.sampled_from([20, 20, 40, 11 * MINUTE, 19 * DAY, 31 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.do(pass_time(seconds))
        self.now += seconds

    @invariant()
    def each_living_session_is_of_one_generation(self) -> None:
        active_sessions = "SELECT id, generation, seen_at FROM session WHERE expires_at > now()"
        rows = self.do(fetch(active_sessions))
        stored = {str(row["id"]): (row["generation"], row["seen_at"] is None) for row in rows}
        assert stored == {
            each.id: (each.generation, each.seen is None)
            for each in self.sessions
            if each.is_active(self.now)
        }

    def teardown(self) -> None:
        """Check that the tokens of ended sessions are rejected."""
        for session in self.sessions:
            if not session.is_active(self.now):
                for person in session.pairs:
                    assert not self.do(person.works())
                    answer = self.do(Person(**vars(person)).refresh())
                    assert answer["__typename"] == "InvalidRefreshTokenError"

    def _leave_phone(self, client: str) -> None:
        self.clients = {phone: owner for phone, owner in self.clients.items() if owner != client}

    def _all_ended(self, sessions: list[Session]) -> None:
        for session in sessions:
            session.ended = True


async def test_sessions_match_the_model_after_any_operations(hub: Hub) -> None:
    Sessions.hub, Sessions.loop = hub, asyncio.get_running_loop()
    chosen = settings(
        max_examples=EXAMPLES,
        database=None,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Sessions, settings=chosen)
