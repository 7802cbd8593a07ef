"""The whole story, run again and again over one connection, each time by a new person."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Any

from tests.faults.client import Connection, UnauthenticatedError, UnknownError
from tests.faults.journal import Code, Journal, Life, Person, Session
from tests.support import hub

random = Random()  # noqa: S311 (which way a story goes, no secret)
_numbers = count()
_AGAIN = 0.3  # seconds until what was not answered is sent again
_PAUSE = 0.25  # at most, between two steps
_ELSEWHERE = 0.1  # of the requests go to another server than the last
_FOLLOWED = 0.3  # of the applied codes belong to followers
_MAY_REFUSE = {"InvitationRingError", "InvitationCodeNotFoundError"}  # codes without a follower
_LATEST = 200  # other codes, of which one is applied


class StoppedError(Exception):
    """The load ends, in the middle of a story."""


class WrongError(Exception):
    """An answer that cannot be right; the story is not worth going on with."""


@dataclass
class Invitations:
    """Codes to apply: those of followers, and the latest others."""

    followed: list[str] = field(default_factory=list)
    latest: list[str] = field(default_factory=list)

    def add(self, code: str) -> None:
        self.latest.append(code)
        del self.latest[:-_LATEST]

    def remove(self, code: str | None) -> None:
        if code in self.latest:
            self.latest.remove(code)

    def choose(self) -> str:
        followed = self.followed and random.random() < _FOLLOWED
        return random.choice(self.followed if followed else self.latest)


class Teller:
    """Runs stories, and writes the responses into the journal."""

    def __init__(
        self,
        connection: Connection,
        journal: Journal,
        *,
        invitations: Invitations,
        inbox: Mapping[str, str],
        clocks_differ: bool,
    ) -> None:
        self._connection, self._journal = connection, journal
        self._invitations = invitations
        self._inbox = inbox  # messages to the gateway, by phone
        self._clocks_differ = clocks_differ  # then another server may refuse a token
        self.stopped = False

    async def tell(self) -> None:
        """Run stories until it is stopped."""
        while not self.stopped:
            try:
                await self._story()
            except StoppedError:
                pass
            except WrongError as error:
                self._journal.wrong.append(str(error))
            except UnauthenticatedError:
                if not self._clocks_differ:
                    self._journal.wrong.append("a token that works was refused")
        self._connection.close()

    async def _story(self) -> None:
        phone, first = await self._begin()
        await self._me(first)
        if random.random() < 0.8:
            await self._apply(first)
        second = await self._log_in(phone)
        await self._refresh(second)
        if random.random() < 0.5:
            await self._end(second, by=first)
        else:
            await self._refresh(second)
        if random.random() < 0.4:
            await self._move(first, _phone())
        if random.random() < 0.3:
            await self._delete(first)
        else:
            await self._me(first)
            await self._stranger(_phone())

    async def _begin(self) -> tuple[str, Session]:
        """Start with a new person."""
        phone = _phone()
        self._person = Person({phone})
        self._journal.people.append(self._person)
        self._address = str(IPv4Address(0x0A000000 + next(_numbers)))
        return phone, await self._register(phone)

    async def _register(self, phone: str) -> Session:
        """Register, even if responses are lost."""
        verb, code = "register", await self._code(phone)
        if random.random() < 0.5:
            await self._guess_wrong(verb, code)
        while True:
            answer = await self._try(verb, code)
            kind = answer and answer["__typename"]
            if kind == "SignedIn":
                return self._signed_in(answer)
            if answer is None:
                self._person.registering = True
            elif kind == "InvalidCodeError" and code.lost:
                code = await self._code(phone)
            elif kind == "PhoneAlreadyRegisteredError" and self._person.registering:
                verb = "login"
            elif kind == "ClientNotFoundError" and verb == "login":
                verb = "register"
            else:
                raise WrongError(f"{verb} with a right code: {answer}")

    async def _log_in(self, phone: str) -> Session:
        code = await self._code(phone)
        while True:
            answer = await self._try("login", code)
            kind = answer and answer["__typename"]
            if kind == "SignedIn":
                break
            if kind == "InvalidCodeError" and code.lost:
                code = await self._code(phone)
            elif answer is not None:
                raise WrongError(f"login with a right code: {answer}")
        session = self._signed_in(answer)
        if random.random() < 0.5:  # a used code is rejected
            again = await self._try("login", code)
            if again and again["__typename"] != "InvalidCodeError":
                raise WrongError(f"login with a spent code: {again}")
        return session

    async def _try(self, verb: str, code: Code) -> Any:
        """Sign in once; None where it is not known what came of it."""
        code.tried += 1
        query = hub.SIGN_IN % verb + hub.CLIENT
        try:
            answer = await self._ask(query, phone=code.phone, code=code.digits)
        except UnknownError:
            code.lost += 1
            await self._wait()
            return None
        if answer["__typename"] == "SignedIn":
            code.accepted += 1
        return answer

    async def _code(self, phone: str) -> Code:
        while True:
            asked = time.monotonic()
            sent = await self._surely(hub.REQUEST_CODE, phone=phone)
            if sent["__typename"] != "SmsNotSentError":
                break
            self._connection.record.unsent.append(asked)  # the gateway is what is broken
            await self._wait()
        if sent["__typename"] != "CodeSent":
            raise WrongError(f"no code was sent: {sent}")
        digits = sent["smsCode"] or self._inbox[phone]
        return self._journal.code(phone, digits, sent["expiresAt"])

    async def _guess_wrong(self, verb: str, code: Code) -> None:
        code.tried += 1
        query = hub.SIGN_IN % verb + hub.CLIENT
        try:
            answer = await self._ask(query, phone=code.phone, code=hub.wrong(code.digits))
        except UnknownError:
            return
        if answer["__typename"] != "InvalidCodeError":
            raise WrongError(f"{verb} with a wrong code: {answer}")
        code.wrong += 1

    async def _stranger(self, phone: str) -> None:
        """Leave a code behind that was guessed wrong and never right."""
        code = await self._code(phone)
        for _ in range(random.randint(1, 3)):
            await self._guess_wrong("login", code)

    async def _me(self, session: Session) -> Any:
        me = await self._surely(hub.ME + hub.CLIENT, token=session.token)
        person = self._person
        if (
            me["id"] != person.id
            or me["phone"] not in person.phones
            or me["someoneInvitationCode"] not in person.inviters
        ):
            raise WrongError(f"me of {person}: {me}")
        return me

    async def _apply(self, session: Session) -> None:
        """Apply an invitation code."""
        person, own = self._person, self._person.invitation_code
        code = self._invitations.choose()
        while True:
            try:
                query = hub.APPLY_INVITE + hub.CLIENT
                answer = await self._ask(query, token=session.token, code=code)
            except UnknownError:
                person.inviters.add(code)
                await self._wait()
                continue
            kind = answer["__typename"]
            if code == own:
                if kind != "OwnInvitationCodeError":
                    raise WrongError(f"one's own invitation code: {answer}")
            elif kind == "InviteApplied":
                person.inviters = {code}
            elif kind == "InvitationAlreadyAppliedError" and len(person.inviters) > 1:
                person.inviters = {answer["someoneInvitationCode"]} & person.inviters
            elif code in self._invitations.followed or kind not in _MAY_REFUSE:
                raise WrongError(f"an invitation code is applied: {answer}")
            return

    async def _refresh(self, session: Session) -> None:
        """Refresh; repeat it if the response was lost, and sometimes if it was not."""
        asked, former = session.refresh_token, session.generation
        for _ in range(random.randint(1, 2)):
            query = hub.REFRESH + hub.CLIENT
            while True:
                try:
                    answer = await self._ask(query, refreshToken=asked)
                    break
                except UnknownError:
                    session.lost += 1
                    await self._wait()
            if answer["__typename"] != "SignedIn":
                raise WrongError(f"a refresh that is due: {answer}")
            said = claims(answer["accessToken"])
            if (said["sid"], said["gen"]) != (session.id, former + 1):
                raise WrongError(f"a refresh of generation {former} gave {said}")
            session.generation, session.token = former + 1, answer["accessToken"]
            session.lost = 0
            session.refresh_token = answer["refreshToken"]

    async def _end(self, session: Session, *, by: Session) -> None:
        while True:
            try:
                answer = await self._ask(hub.END, token=by.token, id=session.id)
                break
            except UnknownError:
                session.life = Life.EITHER
                await self._wait()
        kind, lost = answer["__typename"], session.life is Life.EITHER
        if kind != "SessionEnded" and not (lost and kind == "SessionNotFoundError"):
            raise WrongError(f"a session is ended: {answer}")
        session.life = Life.ENDED
        await self._is_dead(session)

    async def _is_dead(self, session: Session) -> None:
        try:
            me = await self._surely(hub.ME + hub.CLIENT, token=session.token)
        except UnauthenticatedError:
            return
        raise WrongError(f"an ended session answered: {me}")

    async def _move(self, session: Session, to: str) -> None:
        """Move to another phone, until that is sure."""
        person, code = self._person, await self._code(to)
        others = [each for each in person.sessions.values() if each is not session]
        while True:
            code.tried += 1
            try:
                query, token = hub.CHANGE_PHONE + hub.CLIENT, session.token
                answer = await self._ask(query, token=token, phone=to, code=code.digits)
            except UnknownError:
                code.lost += 1
                person.phones.add(to)
                for other in others:
                    other.life = Life.ENDED if other.life is Life.ENDED else Life.EITHER
                await self._wait()
                continue
            if answer["__typename"] == "PhoneChanged":
                break
            if answer["__typename"] != "InvalidCodeError" or not code.lost:
                raise WrongError(f"a phone is changed: {answer}")
            code = await self._code(to)
        code.accepted += 1
        person.phones = {to}
        for other in others:
            other.life = Life.ENDED

    async def _delete(self, session: Session) -> None:
        person = self._person
        self._invitations.remove(person.invitation_code)
        sessions = list(person.sessions.values())
        while True:
            try:
                answer = await self._ask(hub.DELETE, token=session.token)
            except UnknownError:
                person.deleted = {False, True}
                for each in sessions:
                    each.life = Life.ENDED if each.life is Life.ENDED else Life.EITHER
                await self._wait()
            except UnauthenticatedError:
                if True not in person.deleted:
                    raise
                break
            else:
                if answer["__typename"] != "AccountDeleted":
                    raise WrongError(f"an account is deleted: {answer}")
                break
        person.deleted = {True}
        for each in sessions:
            each.life = Life.ENDED
        await self._is_dead(session)

    def _signed_in(self, answer: Any) -> Session:
        client, said = answer["client"], claims(answer["accessToken"])
        person = self._person
        if person.id is None:
            person.id, person.invitation_code = client["id"], client["invitationCode"]
            person.registering = False
            self._invitations.add(client["invitationCode"])
        session = Session(said["sid"], answer["accessToken"], answer["refreshToken"])
        person.sessions[session.id] = session
        if (client["id"], said["gen"]) != (person.id, 0) or client["phone"] not in person.phones:
            raise WrongError(f"signed in as another: {client} {said}")
        return session

    async def _surely(self, query: str, **asked: Any) -> Any:
        """Repeat an idempotent request until there is a response."""
        while True:
            try:
                return await self._ask(query, **asked)
            except UnknownError:
                await self._wait()

    async def _ask(self, query: str, **asked: Any) -> Any:
        if self.stopped:
            raise StoppedError
        await asyncio.sleep(random.uniform(0, _PAUSE))
        if random.random() < _ELSEWHERE:
            self._connection.leave()
        return await self._connection.ask(query, address=self._address, **asked)

    async def _wait(self) -> None:
        await asyncio.sleep(_AGAIN)


def _phone() -> str:
    return f"+7916{next(_numbers) * 7919 % 10**7:07}"


def claims(token: str) -> Any:
    """Read an access token, unverified."""
    return json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
