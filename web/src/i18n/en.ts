import type { Problem } from "../api/useAction";
import type { InvitedPhones, Registration } from "../generated/graphql";

/** All texts of the client in English; other languages have the same type. */
export const en = {
  name: "English",
  title: "Connect Hub",

  signIn: {
    heading: "Sign in",
    lead: {
      OPEN: "By a code that we send to your phone. If you are new here, this registers you.",
      INVITED:
        "By a code that we send to your phone. If you are new here, you need an invitation code.",
      CLOSED: "By a code that we send to your phone. New people cannot register here now.",
    } satisfies Record<Registration, string>,
    phone: "Phone number",
    phoneHint: "With its country code: +7\u00a0999\u00a0123\u00a045\u00a067.",
    country: (name: string, code: string) => `Without one, it is read as in ${name} (${code}).`,
    sendTo: (phone: string) => `The code goes to ${phone}.`,
    send: "Send me a code",
    ended: "You were signed out: this session has ended. Sign in again to go on.",
    invited: (code: string) => `You were invited with the code ${code}. Sign in to apply it.`,
    haveCode: "I have an invitation code",
  },
  code: {
    heading: "Enter the code",
    sentTo: {
      OPEN: (phone: string) => `We sent it to ${phone}.`,
      INVITED: (phone: string) =>
        `We sent it to ${phone} if this number is registered or your invitation code works.`,
      CLOSED: (phone: string) => `We sent it to ${phone} if this number is registered.`,
    } satisfies Record<Registration, unknown>,
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
    left: (count: number) =>
      count === 1 ? "It can be applied once more." : `It can be applied ${String(count)} more times.`,
    usedUp: "Your code is used up: nobody else can apply it.",
    yourCode: "Your invitation code",
    copy: "Copy the link",
    copied: "The link is copied.",
    notCopied: "Copying is not allowed here. Select the link and copy it.",
    share: "Share",
    shareText: (code: string) => `Join me. My invitation code is ${code}.`,
    link: "Invitation link",
    qr: "QR code of the invitation link",
  },
  renewCode: {
    start: "Get a new code",
    sure: "Get a new invitation code?",
    lead: "Your present code, its link and its QR code stop working at once. The people who applied it stay invited. You can get 3 new codes a day.",
    confirm: "Replace my code",
    keep: "Keep my code",
    renewed: (code: string) => `Your new code is ${code}. The former one does not work any more.`,
  },
  invitationField: {
    label: "Invitation code",
    hint: "6 letters and digits.",
    seen: {
      FULL: "If the code belongs to a person, they will see your phone number, your name if you set one, and when you applied the code.",
      MASKED:
        "If the code belongs to a person, they will see the first and last digits of your phone number, or your name if you set one, and when you applied the code.",
      HIDDEN:
        "If the code belongs to a person, they will see your name if you set one, and when you applied the code, but not your phone number.",
    } satisfies Record<InvitedPhones, string>,
  },
  apply: {
    heading: "Were you invited?",
    lead: "You can apply one code, once.",
    apply: "Apply the code",
    dismiss: "Not now",
    applied: (code: string) => `You were invited with the code ${code}.`,
  },
  invited: {
    heading: "People you invited",
    none: "Nobody has applied your code yet. Whoever does appears here.",
    more: "Show more",
    joined: (label: string) => `${label} has just applied your code.`,
  },

  account: {
    heading: "Account",
    signedInAs: "Signed in as",
    signOut: "Sign out",
  },
  yourName: {
    heading: "Your name",
    seen: {
      FULL: "The person whose code you applied reads it in place of your phone number, which they can still see.",
      MASKED: "The person whose code you applied reads it in place of the digits of your phone number.",
      HIDDEN: "The person whose code you applied reads it. They do not see your phone number.",
    } satisfies Record<InvitedPhones, string>,
    field: "Name",
    hint: "Up to 64 characters. Leave it empty to have none.",
    save: "Save",
    saved: (name: string) => `Your name is now ${name}.`,
    removed: "You have no name now.",
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
  notLoaded: "This page did not load",
  retry: "Try again",
  problems: {
    Failure: () => "The server cannot be reached right now. Check your connection and try again.",
    InvalidPhoneError: () => "This is no phone number. Write it with its country code, which begins with +.",
    CountryNotServedError: () => "Codes are not sent to this country. Use another number.",
    TooManyRequestsError: ({ limit }, { until }) =>
      limit === "BLOCKED"
        ? "This account is blocked. Write to those who run this service."
        : limit === "RENEWALS"
          ? `You have had too many new codes. Get another one ${until}.`
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
