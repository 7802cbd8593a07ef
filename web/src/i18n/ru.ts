import type { Texts } from "./en";

const plural = new Intl.PluralRules("ru");
const attempts = (count: number) =>
  ({ one: "попытка", few: "попытки" })[plural.select(count) as string] ?? "попыток";

export const ru: Texts = {
  name: "Русский",
  title: "Connect Hub",

  signIn: {
    heading: "Вход",
    lead: "По коду, который придёт на телефон. Если вы здесь впервые, мы вас зарегистрируем.",
    phone: "Номер телефона",
    phoneHint: "С кодом страны: +7\u00a0999\u00a0123\u00a045\u00a067.",
    country: (name, code) => `Без кода: ${name} (${code}).`,
    sendTo: (phone) => `Код придёт на ${phone}.`,
    send: "Получить код",
    ended: "Сеанс завершён. Чтобы продолжить, войдите снова.",
    invited: (code) => `Вас пригласили по коду ${code}. Войдите, чтобы применить его.`,
  },
  code: {
    heading: "Введите код",
    sentTo: (phone) => `Мы отправили его на ${phone}.`,
    field: (length) => `Код из ${String(length)} цифр`,
    simulated: "SMS на этом сервере не отправляются. Ваш код:",
    confirm: "Продолжить",
    resend: "Отправить ещё раз",
    resendIn: (time) => `Отправить ещё раз через ${time}`,
    resent: "Код отправлен ещё раз.",
    anotherPhone: "Другой номер",
  },

  invitation: {
    heading: "Пригласите людей",
    lead: "Передайте свой код или дайте отсканировать его.",
    yourCode: "Ваш код приглашения",
    copy: "Скопировать ссылку",
    copied: "Ссылка скопирована.",
    notCopied: "Копировать здесь нельзя. Выделите ссылку и скопируйте её сами.",
    share: "Поделиться",
    shareText: (code) => `Присоединяйтесь! Мой код приглашения: ${code}.`,
    link: "Ссылка-приглашение",
    qr: "QR-код со ссылкой-приглашением",
  },
  apply: {
    heading: "Вас пригласили?",
    lead: "Владелец кода увидит ваш номер телефона. Применить можно только один код и один раз.",
    field: "Код приглашения",
    hint: "6 букв и цифр",
    apply: "Применить код",
    dismiss: "Не сейчас",
    applied: (code) => `Вас пригласили по коду ${code}.`,
  },
  invited: {
    heading: "Вы пригласили",
    none: "Пока никто не применил ваш код. Кто применит, появится здесь.",
    more: "Показать ещё",
    joined: (phone) => `Ваш код только что применили: ${phone}.`,
  },

  account: {
    heading: "Аккаунт",
    signedInAs: "Вы вошли как",
    signOut: "Выйти",
  },
  sessions: {
    heading: "Где выполнен вход",
    current: "Это устройство",
    unknownDevice: "Неизвестное устройство",
    lastUsed: (when) => `последний раз ${when}`,
    end: "Завершить",
    endOf: (device) => `Завершить сеанс: ${device}`,
    endOthers: "Завершить все остальные",
    othersEnded: "Все остальные сеансы завершены.",
  },
  changePhone: {
    heading: "Сменить номер телефона",
    lead: "Мы отправим код на новый номер. Ваш код приглашения и приглашённые останутся.",
    phone: "Новый номер телефона",
    changed: (phone) => `Теперь ваш номер: ${phone}.`,
  },
  deleteAccount: {
    heading: "Удалить аккаунт",
    lead: "Мы забудем ваш номер и завершим все сеансы. Отменить это нельзя.",
    start: "Удалить аккаунт…",
    sure: "Удалить аккаунт навсегда?",
    confirm: "Удалить навсегда",
    keep: "Оставить",
  },

  signInAgain: "Войти снова",
  notFound: { heading: "Такой страницы нет", home: "На главную" },
  loading: "Загрузка…",
  retry: "Повторить",
  problems: {
    Failure: () => "Сервер сейчас недоступен. Проверьте подключение и попробуйте ещё раз.",
    InvalidPhoneError: () => "Это не номер телефона. Напишите его с кодом страны, который начинается с +.",
    CountryNotServedError: () => "В эту страну коды не отправляются. Укажите другой номер.",
    TooManyRequestsError: ({ limit }, { until }) =>
      limit === "BLOCKED"
        ? "Этот аккаунт заблокирован. Обратитесь к владельцам сервиса."
        : `Слишком много попыток. Попробуйте ${until}.`,
    SmsNotSentError: () => "Не удалось отправить SMS. Попробуйте через минуту.",
    InvalidCodeError: ({ attemptsLeft }) =>
      attemptsLeft === 0
        ? "Этот код больше не действует. Запросите другой."
        : `Код неверный. Осталось: ${String(attemptsLeft)} ${attempts(attemptsLeft)}.`,
    PhoneAlreadyRegisteredError: () => "Этот номер принадлежит другому аккаунту.",
    ClientNotFoundError: () => "С этим номером никто не зарегистрирован.",
    InvitationCodeNotFoundError: () => "Такого кода ни у кого нет. Проверьте буквы и цифры.",
    RegistrationRefusedError: ({ message }) => message,
    InvitationUsedUpError: () => "Этот код исчерпан или больше не действует. Попросите другой.",
    InvalidNameError: () => "Напишите имя не длиннее 64 видимых знаков.",
    InvitationRequiredError: () => "Для регистрации здесь нужен код приглашения.",
    RegistrationClosedError: () => "Регистрация здесь закрыта.",
    InvitationAlreadyAppliedError: ({ someoneInvitationCode }) =>
      `Вы уже применили код ${someoneInvitationCode}.`,
    OwnInvitationCodeError: () => "Это ваш собственный код. Передайте его другим.",
    InvitationRingError: () =>
      "Владельца этого кода пригласили вы, сами или через других, поэтому применить код нельзя.",
    InvalidRefreshTokenError: () => "Сеанс завершён. Войдите снова.",
    ReauthenticationRequiredError: () =>
      "Ради безопасности для этого нужно было войти за последние 10 минут.",
    SessionNotFoundError: () => "Этот сеанс уже завершён.",
  },
};
