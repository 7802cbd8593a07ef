import pytest

from connect_hub.domain import invitation_codes
from connect_hub.domain.invitation_codes import CODE_ALPHABET
from connect_hub.domain.refusals import InvitationCodeNotFound
from tests.support.hub import Hub

CYRILLIC = "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u0420\u0422\u0425"
LATIN = "ABCEHKMPTX"


@pytest.mark.parametrize(
    "shared",
    [
        "ABC234",
        "abc234",
        " abc 234\n",
        "ABC-234",
        "A\u00adBC\u2011234",
        "\u200bABC\ufeff234\u2060",
        "\uff21\uff22\uff23\uff12\uff13\uff14",
        "ABC\u0662\u0663\u0664",
        "\u0410\u0412\u0421234",
        "\u0430\u0432\u0441234",
        "https://app.example.com/i/ABC234",
        "https://app.example.com/i/abc-234/",
        "https://app.example.com/i/ABC234.",
        "https://app.example.com/i/ABC234/.",
        "app.example.com/i/ABC234?from=sms#top",
        "Join me: https://app.example.com/i/ABC234",
        "/i/\u0410\u0412\u0421234",
        "https:\uff0f\uff0fapp.example.com\uff0fi\uff0fABC234",
        "ABC234.",
    ],
)
def test_a_code_is_read_as_people_share_it(shared: str) -> None:
    assert invitation_codes.parse(shared) == "ABC234"


@pytest.mark.parametrize(("look_alike", "letter"), list(zip(CYRILLIC, LATIN, strict=True)))
def test_a_cyrillic_letter_is_read_as_the_latin_one_it_looks_like(
    look_alike: str, letter: str
) -> None:
    for shown in (look_alike, look_alike.lower()):
        assert invitation_codes.parse(f"{shown}22222") == f"{letter}22222"


def test_every_letter_of_the_alphabet_stands_for_itself() -> None:
    for letter in CODE_ALPHABET:
        assert invitation_codes.parse(letter * 6) == letter * 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ABC23",
        "ABC2345",
        "https://app.example.com/i/",
        "https://app.example.com/x/ABC234",
        "https://app.example.com/i/ABC234/more",
        "\u0416\u0416\u0416\u0416\u0416\u0416",
        "ABC234" + " " * 300,
        "ABC23\u00df",
    ],
)
def test_text_that_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(InvitationCodeNotFound):
        invitation_codes.parse(text)


async def test_text_that_cannot_be_a_code_does_not_count_as_an_attempt(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    for text in ["", "nonsense!", "https://app.example.com/i/", "x" * 1000] * 5:
        assert (await guest.apply(text))["__typename"] == "InvitationCodeNotFoundError"
    link = f"https://app.example.com/i/{owner.invitation_code.lower()}/"
    assert (await guest.apply(link))["__typename"] == "InviteApplied"
