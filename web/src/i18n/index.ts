import { useSyncExternalStore } from "react";

import type { Problem } from "../api/useAction";
import { en, type Texts } from "./en";
import { ru } from "./ru";

const LANGUAGES = { en, ru };
export type Language = keyof typeof LANGUAGES;
export const languages = Object.entries(LANGUAGES) as [Language, Texts][];

const NAME = "connect-hub.language";
const listeners = new Set<() => void>();
let current = chosen();
document.documentElement.lang = current;

export function choose(language: Language) {
  localStorage.setItem(NAME, language);
  current = document.documentElement.lang = language;
  for (const listener of listeners) listener();
}

export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, () => current);
}

export function useTexts(): Texts {
  return LANGUAGES[useLanguage()];
}

/** Write the sentence that explains a problem. */
export function problemText(problem: Problem, texts: Texts, language: Language): string {
  const write = texts.problems[problem.__typename] as (
    problem: Problem,
    values: { until: string },
  ) => string;
  const until = "retryIn" in problem ? after(problem.retryIn, language) : "";
  return write(problem, { until });
}

export function countryName(code: string, language: Language): string {
  return new Intl.DisplayNames(language, { type: "region" }).of(code) ?? code;
}

export function dateTime(at: string, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(at),
  );
}

function after(seconds: number, language: Language): string {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  const relative = new Intl.RelativeTimeFormat(language);
  return minutes < 90
    ? relative.format(minutes, "minute")
    : relative.format(Math.ceil(minutes / 60), "hour");
}

function chosen(): Language {
  const wanted = [localStorage.getItem(NAME), ...navigator.languages].map((tag) => tag?.slice(0, 2));
  return (wanted.find((tag) => tag && tag in LANGUAGES) as Language | undefined) ?? "en";
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
