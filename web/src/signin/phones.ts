/** Parses phone numbers with libphonenumber. This module is loaded separately, since its data is large. */
import {
  type CountryCode,
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from "libphonenumber-js/mobile";

import { compact } from "../userInput";

/** The country of national numbers: the server's default, else the browser's likely one. */
const country = [ofServer(), ofBrowser()].find(isSupported);

export const national = country && { country, code: `+${getCountryCallingCode(country)}` };

/** Parse a mobile number; null leaves the decision to the server. */
export function understood(text: string): { e164: string; shown: string } | null {
  const options = { extract: false, ...(country && { defaultCountry: country }) };
  const number = parsePhoneNumberFromString(compact(text), options);
  return number?.isValid() ? { e164: number.number, shown: number.formatInternational() } : null;
}

function ofServer(): string | undefined {
  return document.querySelector<HTMLMetaElement>("meta[name=default-country]")?.content;
}

function ofBrowser(): string | undefined {
  return new Intl.Locale(navigator.language).maximize().region;
}

function isSupported(name: string | undefined): name is CountryCode {
  return name !== undefined && isSupportedCountry(name);
}
