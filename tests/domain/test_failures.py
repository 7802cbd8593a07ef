"""Lines of the log about sign-ins that failed."""

from typing import Any

from structlog.testing import capture_logs

from tests.support.hub import Hub, pass_time, wrong

ANN, BEN = "+79991234567", "+79991234568"


def _failures(logged: list[Any]) -> list[Any]:
    return [line for line in logged if line["event"] == "sign-in failed"]


async def test_each_failed_sign_in_has_a_line_with_a_pseudonym_of_the_phone(hub: Hub) -> None:
    attacker = hub.at("203.0.113.7")
    codes = {phone: await attacker.code_for(phone) for phone in (ANN, BEN)}
    with capture_logs() as logged:
        await attacker.login(ANN, wrong(codes[ANN]))
        await attacker.login(ANN, codes[ANN])
        await attacker.register(BEN, wrong(codes[BEN]))
        await attacker.register(BEN, "")
    lines = _failures(logged)
    assert [(line["operation"], line["reason"]) for line in lines] == [
        ("login", "InvalidCode"),
        ("login", "ClientNotFound"),
        ("register", "InvalidCode"),
        ("register", "InvalidCode"),
    ]
    ann, anns, ben, bens = (line["phone"] for line in lines)
    assert ann == anns != ben == bens
    assert len(ann) == 16
    assert {line["network"] for line in lines} == {"203.0.113.7"}
    assert not [number for number in (*codes, *codes.values()) if number.strip("+") in str(lines)]


async def test_guess_without_a_live_code_and_late_right_code_are_logged(hub: Hub) -> None:
    person = await hub.person()
    with capture_logs() as logged:
        await hub.login(person.phone, "1234")
        code = await hub.code_for(person.phone)
        await pass_time(400)
        await hub.login(person.phone, code)
        await hub.register(person.phone, await hub.code_for(person.phone))
        await person.change_phone(ANN, "0000")
    assert [(line["operation"], line["reason"]) for line in _failures(logged)] == [
        ("login", "InvalidCode"),
        ("login", "InvalidCode"),
        ("register", "PhoneAlreadyRegistered"),
        ("changePhone", "InvalidCode"),
    ]


async def test_successful_sign_in_is_not_logged_as_a_failure(hub: Hub) -> None:
    with capture_logs() as logged:
        await (await hub.person()).sign_in()
    assert _failures(logged) == []
