"""Russian messages; of their 70 characters a host needs as many as there are left."""

SIGN_IN_CODE = "Код входа: {code}"
PHONE_CHANGED = "Вход теперь по другому номеру. Если это не вы, срочно сообщите нам."
