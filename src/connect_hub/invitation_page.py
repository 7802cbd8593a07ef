"""The page of an invitation link: `/i/` and an invitation code, for who has no app to open it."""

import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

_CODE = re.compile(r"[0-9A-Za-z]{6}")
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>You are invited</title>
<h1>You are invited</h1>
<p>Your invitation code is <strong>{code}</strong>.
<p>{where}: sign in, and enter the code there.
"""


class InvitationPage:
    """Shows a code to whoever follows its link; whether somebody has it, it does not tell."""

    def __init__(self, public_url: str | None) -> None:
        self._where = f'<a href="{public_url}">Open the app</a>' if public_url else "Open the app"

    async def answer(self, request: Request) -> Response:
        """Answer with the page, if this can be a code."""
        code = request.path_params["code"]
        if not _CODE.fullmatch(code):
            return PlainTextResponse("An invitation code has 6 letters and digits.\n", 404)
        return HTMLResponse(_PAGE.format(code=code.upper(), where=self._where))
