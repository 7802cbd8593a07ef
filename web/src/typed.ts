/** Text as people type and paste it, read as the server reads it. */

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Mn}\p{Me}\u115f\u1160\u2800]/gu;
const DASHES = /[\p{Pd}\u2053\u2212\u30fc]/gu; // U+30FC: what Japanese input methods type

/** Fold digits of all scripts to 0-9; drop white space, dashes and what nobody sees. */
export function compact(text: string): string {
  return text
    .normalize("NFKC")
    .replace(/\s/gu, "")
    .replace(DASHES, "")
    .replace(INVISIBLE, "")
    .replace(/\p{Nd}/gu, ascii);
}

/** The digits of a text, in any script. */
export function digits(text: string): string {
  return compact(text).replace(/\D/g, "");
}

/** Unicode has the digits of a script in a row, from zero to nine. */
function ascii(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}
