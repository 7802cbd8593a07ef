"""Russian messages; a segment has 70 characters, some of which the host of PUBLIC_URL takes."""

SIGN_IN_CODE = "Никому не говорите код {code}"
PHONE_CHANGED = "Вход теперь по другому номеру. Если это не вы, срочно сообщите нам."
