import pytest

from connect_hub.app import create_app
from connect_hub.settings import Settings, StartupError
from connect_hub.sms import texts
from connect_hub.sms.texts import (
    LANGUAGES,
    negotiate_language,
    phone_changed,
    remaining_characters,
    sign_in_code,
)

HASH = "FA+9qCX9VSu"


def with_host(settings: Settings, length: int, *, android_hash: str | None = None) -> Settings:
    url = f"https://{'a' * (length - 4)}.org"
    return settings.model_copy(update={"public_url": url, "sms_android_hash": android_hash})


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("digits", range(4, 9))
@pytest.mark.parametrize(("host", "android_hash"), [(27, None), (15, HASH), (4, HASH)])
def test_a_message_is_one_segment(
    settings: Settings, language: str, digits: int, host: int, android_hash: str | None
) -> None:
    settings = with_host(settings, host, android_hash=android_hash)
    texts.check(settings)
    text = sign_in_code("4" * digits, language=language, settings=settings)
    assert text.isascii() or len(text) <= 70
    assert len(text) <= 160
    assert remaining_characters(text) >= 0


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("host", [None, 27, 28, 91])
def test_a_message_says_that_nobody_asks_for_the_code(
    settings: Settings, language: str, host: int | None
) -> None:
    settings = with_host(settings, host) if host else settings
    texts.check(settings)
    text = sign_in_code("12345678", language=language, settings=settings)
    assert {"en": "Nobody will ask you for it", "ru": "Никому не говорите код"}[language] in text
    assert remaining_characters(text, segments=2) >= 0


@pytest.mark.parametrize(("host", "android_hash"), [(92, None), (80, HASH)])
def test_a_host_that_is_too_long_stops_the_start(
    settings: Settings, host: int, android_hash: str | None
) -> None:
    with pytest.raises(StartupError, match=r"^PUBLIC_URL: its host is 1 characters too long .*\.$"):
        create_app(with_host(settings, host, android_hash=android_hash))


def test_every_language_has_every_message() -> None:
    names = [{name for name in dir(each) if name.isupper()} for each in texts.LANGUAGES.values()]
    assert names
    assert all(each == names[0] for each in names)


def test_the_last_lines_are_for_browsers_and_apps(settings: Settings) -> None:
    public = {"public_url": "https://App.Example.com:8443/", "sms_android_hash": HASH}
    text = sign_in_code("0123", language="ru", settings=settings.model_copy(update=public))
    assert text == f"Никому не говорите код 0123\n@app.example.com #0123\n{HASH}"


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:8000", "http://localhost:3000"])
def test_without_a_public_host_there_is_no_line_for_browsers(
    settings: Settings, url: str | None
) -> None:
    settings = settings.model_copy(update={"public_url": url})
    text = sign_in_code("0123", language="en", settings=settings)
    assert text == "0123 is your sign-in code. Nobody will ask you for it: tell it to no one."


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a" * 160, 0),
        ("a" * 161, -1),
        ("€" * 80, 0),  # each takes two
        ("ы" * 70, 0),
        ("ы" * 69 + "a", 0),
        ("🙂" * 35, 0),  # each takes two
        ("🙂" * 36, -2),
        ("`", 69),  # which GSM-7 lacks
    ],
)
def test_segments_of_a_message_are_counted_like_networks_do(text: str, places: int) -> None:
    assert remaining_characters(text) == places


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("de,ru;q=0.5,en;q=0.3", "ru"),
        ("en;q=0.3, ru;q=0.5", "ru"),
        ("ru;q=0.5,en;q=0.5", "ru"),
        ("ru;q=0", "en"),
        ("ru ; q=1.000", "ru"),
        ("fr, *;q=0.1", "en"),
        ("*", "en"),
        ("ru;q=2,;;q=,\x00,=", "en"),
        ("xx," * 300 + "ru", "ru"),
    ],
)
def test_preferred_language_is_chosen(header: str, language: str) -> None:
    assert negotiate_language(header) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_to_a_former_phone_is_one_segment(language: str) -> None:
    assert remaining_characters(phone_changed(language=language)) >= 0
