/** Normalises typed and pasted text as the server does. */

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Mn}\p{Me}\u115f\u1160\u2800]/gu;
const DASHES = /[\p{Pd}\u2053\u2212\u30fc]/gu; // U+30FC: a dash of Japanese input methods
const CODE = /^[0-9A-Z]{6}$/;
// Chats and keyboards add spaces and punctuation around a code.
const SHARED_CODE = /(?:^|\/I\/)[^\p{L}\p{N}]*([0-9A-Z]{6})[^\p{L}\p{N}]*(?:[?#].*)?$/u;
// Capitals of Cyrillic and Greek that look like Latin ones. No code has letters of other scripts.
const LOOK_ALIKES =
  "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u0423\u0408" +
  "\u0391\u0392\u0395\u0396\u0397\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7";
const LATIN = "ABCEHKMOPSTXYJABEZHKMNOPTYX";

/** Convert digits of all scripts to 0-9; remove white space, dashes and invisible characters. */
export function compact(text: string): string {
  return text
    .normalize("NFKC")
    .replace(/\s/gu, "")
    .replace(DASHES, "")
    .replace(INVISIBLE, "")
    .replace(/\p{Nd}/gu, ascii);
}

/** Return the digits of a text, in any script, as 0-9. */
export function digits(text: string): string {
  return compact(text).replace(/\D/g, "");
}

/** Read an invitation code out of a link or a text; return other text as it is, in capitals. */
export function invitationCode(text: string): string {
  const typed = compact(text)
    .toUpperCase()
    .replace(/[\u0370-\u04ff]/g, (letter) => LATIN[LOOK_ALIKES.indexOf(letter)] ?? letter);
  return SHARED_CODE.exec(typed)?.[1] ?? typed;
}

export function isInvitationCode(text: string): boolean {
  return CODE.test(text);
}

/** Convert a digit; each script has its digits in a row, from zero to nine. */
function ascii(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}
