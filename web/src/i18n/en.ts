import type { Problem } from "../api/useAction";

/** All texts of the client in English; other languages have the same type. */
export const en = {
  name: "English",
  title: "Connect Hub",

  signIn: {
    heading: "Sign in",
    lead: "By a code that we send to your phone. If you are new here, this registers you.",
    phone: "Phone number",
    phoneHint: "With its country code: +7\u00a0999\u00a0123\u00a045\u00a067.",
    country: (name: string, code: string) => `Without one, it is read as in ${name} (${code}).`,
    sendTo: (phone: string) => `The code goes to ${phone}.`,
    send: "Send me a code",
    ended: "You were signed out: this session has ended. Sign in again to go on.",
    invited: (code: string) => `You were invited with the code ${code}. Sign in to apply it.`,
  },
  code: {
    heading: "Enter the code",
    sentTo: (phone: string) => `We sent it to ${phone}.`,
    field: (length: number) => `Code of ${String(length)} digits`,
    simulated: "SMS are simulated on this server. Your code:",
    confirm: "Continue",
    resend: "Send it again",
    resendIn: (time: string) => `Send it again in ${time}`,
    resent: "The code is sent again.",
    anotherPhone: "Another number",
  },

  invitation: {
    heading: "Invite people",
    lead: "Give your code to others, or let them scan it.",
    yourCode: "Your invitation code",
    copy: "Copy the link",
    copied: "The link is copied.",
    notCopied: "Copying is not allowed here. Select the link and copy it.",
    share: "Share",
    shareText: (code: string) => `Join me. My invitation code is ${code}.`,
    link: "Invitation link",
    qr: "QR code of the invitation link",
  },
  apply: {
    heading: "Were you invited?",
    lead: "Whoever owns the code will see your phone number. You can apply one code, once.",
    field: "Invitation code",
    hint: "6 letters and digits",
    apply: "Apply the code",
    dismiss: "Not now",
    applied: (code: string) => `You were invited with the code ${code}.`,
  },
  invited: {
    heading: "People you invited",
    none: "Nobody has applied your code yet. Whoever does appears here.",
    more: "Show more",
    joined: (phone: string) => `${phone} has just applied your code.`,
  },

  account: {
    heading: "Account",
    signedInAs: "Signed in as",
    signOut: "Sign out",
  },
  sessions: {
    heading: "Where you are signed in",
    current: "This device",
    unknownDevice: "Unknown device",
    lastUsed: (when: string) => `last used ${when}`,
    end: "End",
    endOf: (device: string) => `End the session on ${device}`,
    endOthers: "End all others",
    othersEnded: "All other sessions have ended.",
  },
  changePhone: {
    heading: "Change your phone number",
    lead: "We send a code to the new number. Your invitation code and the people you invited stay.",
    phone: "New phone number",
    changed: (phone: string) => `Your phone number is now ${phone}.`,
  },
  deleteAccount: {
    heading: "Delete your account",
    lead: "Your phone number is forgotten and all your sessions end. This cannot be undone.",
    start: "Delete my account…",
    sure: "Delete your account for good?",
    confirm: "Delete for good",
    keep: "Keep it",
  },

  signInAgain: "Sign in again",
  notFound: { heading: "There is no such page", home: "To the start" },
  loading: "Loading…",
  retry: "Try again",
  problems: {
    Failure: () => "The server cannot be reached right now. Check your connection and try again.",
    InvalidPhoneError: () => "This is no phone number. Write it with its country code, which begins with +.",
    CountryNotServedError: () => "Codes are not sent to this country. Use another number.",
    TooManyRequestsError: ({ limit }, { until }) =>
      limit === "BLOCKED"
        ? "This account is blocked. Write to those who run this service."
        : `Too many attempts. Try again ${until}.`,
    SmsNotSentError: () => "The SMS could not be sent. Try again in a minute.",
    InvalidCodeError: ({ attemptsLeft }) =>
      attemptsLeft === 0
        ? "This code is not valid any more. Ask for another one."
        : attemptsLeft === 1
          ? "This is not the code. You have 1 attempt left."
          : `This is not the code. You have ${String(attemptsLeft)} attempts left.`,
    PhoneAlreadyRegisteredError: () => "This number belongs to another account.",
    ClientNotFoundError: () => "Nobody is registered with this number.",
    InvitationCodeNotFoundError: () => "Nobody has this code. Check its letters and digits.",
    RegistrationRefusedError: ({ message }) => message,
    InvitationUsedUpError: () => "This code is used up or has ended. Ask for another one.",
    InvalidNameError: () => "Write a name of up to 64 visible characters.",
    InvitationRequiredError: () => "You need an invitation code to register here.",
    RegistrationClosedError: () => "Registration is closed here.",
    InvitationAlreadyAppliedError: ({ someoneInvitationCode }) =>
      `You have already applied the code ${someoneInvitationCode}.`,
    OwnInvitationCodeError: () => "This is your own code. Give it to others.",
    InvitationRingError: () =>
      "You invited the owner of this code, directly or through others, so it cannot be applied.",
    InvalidRefreshTokenError: () => "This session has ended. Sign in again.",
    ReauthenticationRequiredError: () =>
      "To keep your account safe, this takes a sign-in within the last 10 minutes.",
    SessionNotFoundError: () => "This session has already ended.",
  } satisfies Problems as Problems,
};

/** A sentence for every refusal of the schema: where one lacks, `tsc` fails. */
type Problems = {
  [P in Problem as P["__typename"]]: (problem: P, told: { until: string }) => string;
};

export type Texts = typeof en;
