"""English messages; all characters are in GSM-7, so that 160 fit into a segment."""

SIGN_IN_CODE = "{code} is your sign-in code. Nobody will ask you for it: tell it to no one."
PHONE_CHANGED = (
    "Your account has moved to another phone number."
    " If that was not you, tell the people who run the app at once."
)
