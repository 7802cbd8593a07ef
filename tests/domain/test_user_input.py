"""Phones and codes as people type and paste them."""

from pathlib import Path

import pytest

from connect_hub.database.connections import fetch
from connect_hub.settings import Settings
from tests.support.hub import Hub, changed, wrong
from tests.support.processes import run

PHONE = "+491701234567"

AROUND = [
    "{}\n",
    "\r\n\t {} \v\f",
    "\u200b{}\u200b",
    "\ufeff{}",
    "\u2066{}\u2069",
    "\u00ad{}\u2060\u180e",
    "\u00a0{}\u202f\u2007\u3000\u1680",
    "{}\u2028\u2029\u0085",
    "{}\ufe0f\U000e0100\u034f",
    "{}\U000e0061",  # a tag character
    "\u3164{}\u2800\uffa0",  # blank letters and symbols
]
BETWEEN = [
    *(" \u00a0\u2009\t\n\u200b\u200d\u2060\u00ad\ufeff\u180e\u061c\ufe0f\u20e3"),
    *("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u207b\u058a\u05be\u1806\u2e3a\u301c\u30a0"),
    *("\u30fc\uff70\uff0d\ufe58\ufe63\u2053\U00010ead"),
    " - ",
]
ZEROS = [0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50, 0x1040, 0xFF10, 0x1D7CE, 0x1D7F6, 0x1FBF0]


def in_digits_of(zero: int, number: str) -> str:
    return "".join(chr(zero + int(sign)) if sign.isdigit() else sign for sign in number)


async def signs_in(hub: Hub, typed: str, code: str) -> None:
    """Sign in by what was typed, at once: a guess that is lost would show."""
    await fetch("UPDATE sign_in_code SET guesses = 2")
    answer = await hub.login(PHONE, typed)
    assert answer["__typename"] == "SignedIn", (typed, code)


@pytest.fixture
async def person(hub: Hub) -> Hub:
    await hub.person(PHONE)
    return hub


async def code_for(hub: Hub) -> str:
    await fetch("DELETE FROM sign_in_code")
    await fetch("DELETE FROM allowance")
    return await hub.code_for(PHONE)


async def test_code_is_read_with_pasted_text_around_it(person: Hub) -> None:
    for around in AROUND:
        code = await code_for(person)
        await signs_in(person, around.format(code), code)


async def test_code_is_read_with_separators_between_its_digits(person: Hub) -> None:
    for between in BETWEEN:
        code = await code_for(person)
        await signs_in(person, between.join(code), code)


async def test_code_is_read_in_digits_of_any_script(person: Hub) -> None:
    for zero in ZEROS:
        code = await code_for(person)
        await signs_in(person, in_digits_of(zero, code), code)


@pytest.mark.parametrize(
    "typed", ["", "x", "\u200b", "12345", "1234.5", "½", "1" * 5000, "\u0661" * 64]
)
async def test_text_that_cannot_be_a_code_costs_one_guess(hub: Hub, typed: str) -> None:
    await hub.request_code(PHONE)
    left = [(await hub.login(PHONE, typed))["attemptsLeft"] for _ in range(3)]
    assert left == [2, 1, 0]


async def test_cleaning_makes_no_wrong_code_right(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    for typed in (code[:3], code + "0", wrong(code)):
        assert (await hub.login(PHONE, f"\u200b{typed}\n"))["__typename"] == "InvalidCodeError"
    assert (await hub.login(PHONE, code))["attemptsLeft"] == 0


@pytest.mark.parametrize(
    "style",
    [
        *AROUND,
        *(f"{{}}{between}" for between in BETWEEN),
    ],
)
async def test_invitation_code_is_read_as_pasted(hub: Hub, style: str) -> None:
    ann, ben = await hub.person(), await hub.person()
    assert (await ben.apply(style.format(ann.invitation_code)))["__typename"] == "InviteApplied"


async def test_invitation_code_is_read_in_groups_and_full_width(hub: Hub) -> None:
    ann, *others = await hub.people(4)
    code = ann.invitation_code
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in code)
    typed = [f"{code[:3]}-{code[3:]}", f"{code[:3]}ー{code[3:].lower()}", wide]
    for other, text in zip(others, typed, strict=True):
        assert (await other.apply(text))["__typename"] == "InviteApplied"


async def test_long_text_is_not_an_invitation_code(hub: Hub) -> None:
    ann, ben = await hub.people(2)
    refused = await ben.apply(ann.invitation_code + " " * 5000)
    assert refused["__typename"] == "InvitationCodeNotFoundError"


PUNCTUATION = "-‐‑‒–—―−ー－／ \u00a0\u00ad\u200b\u2060\u3000()（）［］.[]/⁓∼"  # noqa: RUF001 (on purpose)
WRITTEN = [
    *(f"+49{sign}170{sign}1234567" for sign in PUNCTUATION),
    "+49 170/1234567",
    "+49 (0) 170 1234567",
    "+49 (0)170/123-45-67",
    "(+49) 170 1234567",
    "[+49] 170 1234567",
    "+49ー170ー1234567",
    "0049 170 1234567",
    "(0049) 170/1234567",
    "＋49 170 1234567",  # noqa: RUF001 (on purpose)
    "００４９１７０１２３４５６７",  # noqa: RUF001 (on purpose)
    "﹢49 170 1234567",
    "\u200e+49 170 1234567\u200f\n",
    *(in_digits_of(zero, "+49 170 1234567") for zero in ZEROS),
    "tel:+49-170-1234567",
    "TEL:+49.170.1234567",
    "tel:+49(170)1234567;ext=123",
    "tel:+49-170-1234567;isub=12345;ext=4",
    "tel:0170-1234567;phone-context=+49",
    "tel:170-1234567;phone-context=+49",
    "tel:1234567;phone-context=+49-170",
    "tel:%2B491701234567",
    "tel:+49%20170%201234567",
    "tel:00491701234567",
    "+491701234567 x12",
]


@pytest.mark.parametrize("written", WRITTEN)
async def test_phone_is_read_as_people_write_it(hub: Hub, written: str) -> None:
    answer = await hub.request_code(written)
    assert answer.get("phone") == PHONE, written


@pytest.mark.parametrize(
    "written",
    [
        "0170 1234567",
        "tel:0170-1234567",
        "tel:0170-1234567;phone-context=example.com",
        "tel:0170-1234567;phone-context=49",
        "tel:mailto:+491701234567",
        "+49 170 1234567, +49 171 1234567",
        "+49 170 1234567 / +49 171 1234567",
        "+49 170 12345 x67",
        "+49 170 1234567 (Ann)",
        "+49 170 1234567" + " " * 250,
    ],
)
async def test_text_that_is_not_one_international_number_is_rejected(
    hub: Hub, written: str
) -> None:
    assert (await hub.request_code(written))["__typename"] == "InvalidPhoneError"


@pytest.mark.parametrize(
    ("country", "written", "phone"),
    [
        ("RU", "89991234567", "+79991234567"),
        ("RU", "9991234567", "+79991234567"),
        ("RU", "79991234567", "+79991234567"),
        ("RU", "8 (999) 123-45-67", "+79991234567"),
        ("RU", "tel:8-999-123-45-67", "+79991234567"),
        ("RU", "٨٩٩٩١٢٣٤٥٦٧", "+79991234567"),
        ("RU", "8~10 49 170 1234567", PHONE),
        ("RU", "810 49 170 1234567", PHONE),
        ("RU", "+49 170 1234567", PHONE),
        ("RU", "0049 170 1234567", PHONE),
        ("RU", "tel:0170-1234567;phone-context=+49", PHONE),
        ("RU", "491701234567", None),  # not marked as international, and not Russian
        ("RU", "8 495 123-45-67", None),  # fixed line
        ("DE", "0170 1234567", PHONE),
        ("DE", "89991234567", None),
        ("DE", "+79991234567", "+79991234567"),
        ("GB", "07400 123456", "+447400123456"),
        ("IT", "312 345 6789", "+393123456789"),
        ("US", "(650) 253-0000", "+16502530000"),
        ("US", "011 49 170 1234567", PHONE),
        ("US", "+6582345678", "+6582345678"),
        ("AU", "0412 345 678", "+61412345678"),
        ("AU", "0011 49 170 1234567", PHONE),
        ("AU", "0011 65 8234 5678", None),  # also 00 1 (1) 658 234 5678
    ],
)
async def test_national_number_is_read_by_the_default_country(
    hub: Hub, settings: Settings, country: str, written: str, phone: str | None
) -> None:
    with changed(settings, default_country=country):
        assert (await hub.request_code(written)).get("phone") == phone


async def test_national_number_is_accepted_for_sign_in_and_change_of_phone(
    hub: Hub, settings: Settings
) -> None:
    with changed(settings, default_country="RU"):
        code = await hub.code_for("89991234567")
        ann = hub.signed_in(await hub.register("8 999 123-45-67", code))
        assert ann.phone == "+79991234567"
        code = await hub.code_for("9991234567")
        assert (await hub.login("9991234567", code))["__typename"] == "SignedIn"
        code = await hub.code_for("89990000000")
        moved = await ann.change_phone("89990000000", code)
    assert moved["client"]["phone"] == "+79990000000"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DEFAULT_COUNTRY": "XX"}, "DEFAULT_COUNTRY: XX is not"),
        ({"DEFAULT_COUNTRY": "Russia"}, "DEFAULT_COUNTRY: takes one country by its ISO 3166 code"),
        ({"DEFAULT_COUNTRY": "UK"}, "DEFAULT_COUNTRY: UK is not"),
        ({"DEFAULT_COUNTRY": "RU", "SMS_COUNTRIES": "DE"}, "DEFAULT_COUNTRY: RU is missing from"),
    ],
)
def test_wrong_default_country_stops_the_start(
    settings: dict[str, str], message: str, folder: Path
) -> None:
    done = run("serve", "--port=0", DATA_DIR=str(folder), **settings)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
