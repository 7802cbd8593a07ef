"""The whole story, run again and again over one connection, each time by a new person."""

from random import Random
from typing import Any

from tests.faults.client import UnauthenticatedError, UnknownError
from tests.faults.journal import Life, Session
from tests.faults.teller import Teller, WrongError, new_phone
from tests.support import hub

random = Random()  # noqa: S311 (which way a story goes, no secret)


class Story(Teller):
    """What a person does from registration to the end of the account."""

    async def _story(self) -> None:
        phone, first = await self._begin()
        await self._me(first)
        if random.random() < 0.8:
            await self._apply(first)
        second = await self._log_in(phone)
        await self._refresh(second)
        if random.random() < 0.3:
            await self._renew_invitation_code(second)
        if random.random() < 0.3:
            await self._set_name(second)
        if random.random() < 0.5:
            await self._end(second, by=first)
        else:
            await self._refresh(second)
        if random.random() < 0.4:
            await self._move(first, new_phone())
        if random.random() < 0.3:
            await self._delete(first)
        else:
            await self._me(first)
            await self._stranger(new_phone())

    async def _stranger(self, phone: str) -> None:
        """Leave a code behind that was guessed wrong and never right."""
        code = await self._code(phone)
        for _ in range(random.randint(1, 3)):
            await self._guess_wrong("login", code)

    async def _apply(self, session: Session) -> None:
        """Apply an invitation code."""
        person, code = self._person, self._invitations.choose()
        if code is None:
            return
        was_retired = code in self._invitations.retired
        while True:
            try:
                query = hub.APPLY_INVITE + hub.CLIENT
                answer = await self._ask(query, token=session.token, code=code)
                break
            except UnknownError:
                if None in person.inviters:
                    person.inviters.add(code)
                await self._wait()
        self._check_application(code, answer, was_retired=was_retired)

    def _check_application(self, code: str, answer: Any, *, was_retired: bool) -> None:
        person, kind = self._person, answer["__typename"]
        if code == person.invitation_code:
            if kind != "OwnInvitationCodeError":
                raise WrongError(f"one's own invitation code: {answer}")
        elif kind == "InviteApplied":
            if None not in person.inviters or was_retired:
                raise WrongError(f"{person.inviters} are applied, and {code}: {answer}")
            person.inviters = {code}
        elif kind == "InvitationAlreadyAppliedError":
            person.inviters = {answer["someoneInvitationCode"]} & person.inviters
            if not person.inviters:
                raise WrongError(f"another code was applied: {answer}")
        else:
            self._check_refusal(code, answer)

    async def _renew_invitation_code(self, session: Session) -> None:
        """Replace the invitation code; those who still have the former one are refused."""
        person = self._person
        self._invitations.remove(person.invitation_code)
        while True:
            try:
                answer = await self._ask(hub.RENEW + hub.CLIENT, token=session.token)
                break
            except UnknownError:
                person.lost_renewals += 1
                await self._wait()
        if answer["__typename"] != "InvitationCodeRenewed":
            if answer["__typename"] != "TooManyRequestsError" or not person.lost_renewals:
                raise WrongError(f"an invitation code is replaced: {answer}")
            return
        former, person.invitation_code = person.invitation_code, answer["client"]["invitationCode"]
        person.retired.append(former or "")
        self._invitations.retire(former or "")
        self._invitations.add(answer["client"]["invitationCode"])

    async def _set_name(self, session: Session) -> None:
        person, name = self._person, f"Person {self._address}"
        person.names.add(name)
        query = hub.UPDATE_PROFILE + hub.CLIENT
        answer = await self._surely(query, token=session.token, name=name)
        if answer["__typename"] != "ProfileUpdated" or answer["client"]["name"] != name:
            raise WrongError(f"a name is set: {answer}")
        person.names = {name}

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
