"""One person after the other over one connection: how they sign in, even if responses are lost."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Any

from tests.faults.client import Connection, UnauthenticatedError, UnknownError
from tests.faults.invitations import Invitations
from tests.faults.journal import Code, Journal, Person, Session
from tests.support import hub

random = Random()  # noqa: S311 (which way a story goes, no secret)
_numbers = count()
_AGAIN = 0.3  # seconds until what was not answered is sent again
_PAUSE = 0.25  # at most, between two steps
_ELSEWHERE = 0.1  # of the requests go to another server than the last
_INVITED = 0.4  # of the people register with an invitation code


class StoppedError(Exception):
    """The load ends, in the middle of a story."""


class WrongError(Exception):
    """An answer that cannot be right; the story is not worth going on with."""


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
        raise NotImplementedError

    async def _begin(self) -> tuple[str, Session]:
        """Start with a new person."""
        phone = new_phone()
        self._person = Person({phone})
        self._journal.people.append(self._person)
        self._address = str(IPv4Address(0x0A000000 + next(_numbers)))
        return phone, await self._register(phone)

    async def _register(self, phone: str) -> Session:
        """Register, even if responses are lost."""
        verb, code, person = "register", await self._code(phone), self._person
        if random.random() < 0.5:
            await self._guess_wrong(verb, code)
        invitation = self._invitations.choose() if random.random() < _INVITED else None
        lost: set[str | None] = set()  # the invitations of registrations without an answer
        while True:
            person.inviters = lost | ({invitation} if verb == "register" else set())
            answer = await self._try(verb, code, invitation if verb == "register" else None)
            kind = answer and answer["__typename"]
            if kind == "SignedIn":
                return self._signed_in(answer)
            if answer is None:
                if verb == "register":
                    person.registering = True
                    lost.add(invitation)
            elif kind == "InvalidCodeError" and code.lost:
                code = await self._code(phone)
            elif kind == "PhoneAlreadyRegisteredError" and person.registering:
                verb = "login"
            elif kind == "ClientNotFoundError" and verb == "login":
                verb = "register"
            elif verb == "register" and invitation:  # the code of the SMS is still valid
                self._check_refusal(invitation, answer)
                invitation = self._invitations.choose()
            else:
                raise WrongError(f"{verb} with a right code: {answer}")

    def _check_refusal(self, code: str, answer: Any) -> None:
        """Check the refusal of an invitation code, and note it."""
        kind = answer["__typename"]
        if kind == "InvitationUsedUpError":
            self._journal.used_up.add(code)
            self._invitations.remove(code)
        elif not self._invitations.may_refuse(code, kind):
            raise WrongError(f"an invitation code is applied: {answer}")

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

    async def _try(self, verb: str, code: Code, invitation: str | None = None) -> Any:
        """Sign in once; None where it is not known what came of it."""
        code.tried += 1
        was_retired = invitation in self._invitations.retired
        query, given = hub.SIGN_IN % verb, {"phone": code.phone, "code": code.digits}
        if invitation:
            query, given["invitation"] = hub.REGISTER_INVITED, invitation
        try:
            answer = await self._ask(query + hub.CLIENT, **given)
        except UnknownError:
            code.lost += 1
            await self._wait()
            return None
        if answer["__typename"] == "SignedIn":
            code.accepted += 1
            if was_retired:
                raise WrongError(f"registered with a former invitation code: {answer}")
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

    async def _me(self, session: Session) -> Any:
        me = await self._surely(hub.ME + hub.CLIENT, token=session.token)
        person = self._person
        if (
            me["id"] != person.id
            or me["phone"] not in person.phones
            or (me["invitationCode"] != person.invitation_code and not person.lost_renewals)
            or me["someoneInvitationCode"] not in person.inviters
        ):
            raise WrongError(f"me of {person}: {me}")
        return me

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

    def _signed_in(self, answer: Any) -> Session:
        client, said = answer["client"], claims(answer["accessToken"])
        person, applied = self._person, client["someoneInvitationCode"]
        if applied not in person.inviters:
            raise WrongError(f"registered with {person.inviters}: {client}")
        if person.id is None:
            person.id, person.invitation_code = client["id"], client["invitationCode"]
            person.registering, person.inviters = False, {applied}
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


def new_phone() -> str:
    return f"+7916{next(_numbers) * 7919 % 10**7:07}"


def claims(token: str) -> Any:
    """Read an access token, unverified."""
    return json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
