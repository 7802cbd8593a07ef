/** Normalises typed and pasted text as the server does. */

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Mn}\p{Me}\u115f\u1160\u2800]/gu;
const DASHES = /[\p{Pd}\u2053\u2212\u30fc]/gu; // U+30FC: a dash of Japanese input methods

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

/** Convert a digit; each script has its digits in a row, from zero to nine. */
function ascii(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}
