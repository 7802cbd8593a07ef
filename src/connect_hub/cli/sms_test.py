"""`connect-hub sms-test`: sends a test message through each gateway."""

import asyncio
import sys
from time import monotonic

import click

from connect_hub import sms
from connect_hub.domain import phone_numbers
from connect_hub.domain.refusals import InvalidPhone
from connect_hub.settings import StartupError, load


@click.command()
@click.argument("number")
def sms_test(number: str) -> None:
    """Send a test message to a phone through each gateway of SMS_URLS, and print the results."""
    from connect_hub.sms.failover import FailoverSender  # noqa: PLC0415 - apprise takes 20 MB

    settings = load()
    sender = sms.create_sender(settings)
    if not isinstance(sender, FailoverSender):
        raise StartupError("SMS_URLS names no gateway: set it first.")
    try:
        to = phone_numbers.parse(number, country=settings.default_country)
    except InvalidPhone as error:
        raise StartupError(str(error)) from None
    message = sms.Message(to.e164, to.country, "This is a test of Connect Hub.")
    gateways = [breaker.gateway for breaker in sender.breakers]
    width = max(len(gateway.name) for gateway in gateways)
    click.echo(f"{'gateway':<{width}}  seconds  result")
    failures = 0
    for gateway in gateways:
        started_at, result = monotonic(), "sent"
        try:
            asyncio.run(gateway.send(message, timeout=settings.sms_timeout))
        except sms.NotSentError as error:
            failures, result = failures + 1, f"failed: {error}"
        click.echo(f"{gateway.name:<{width}}  {monotonic() - started_at:7.2f}  {result}")
    sys.exit(failures > 0)
