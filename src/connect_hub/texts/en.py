"""English messages, of the characters of GSM-7."""

SIGN_IN_CODE = "{code} is your sign-in code."
