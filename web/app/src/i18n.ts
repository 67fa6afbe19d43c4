import { computed, signal } from "@preact/signals";
import { en, type Texts } from "./texts/en";
import { ptBR } from "./texts/pt-BR";

export type Language = "en" | "pt-BR";
export const dictionaries: Record<Language, Texts> = { en, "pt-BR": ptBR };
export const languageOptions: (readonly [Language, string])[] = [["en", "English"], ["pt-BR", "Português"]];

/** The language of a browser that prefers these. */
export function preferred(languages: readonly string[]): Language {
  for (const language of languages) {
    if (language.toLowerCase().startsWith("pt")) return "pt-BR";
    if (language.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export const language = signal<Language>("en");
const texts = computed(() => dictionaries[language.value]);

/** The texts of the language; who reads one is drawn anew when that changes. */
export const t = new Proxy({} as Texts, { get: (_, key) => texts.value[key as keyof Texts] });

/** What a button is called that stands among others like it: its text, and what it is about. */
export const about = (text: string, name: string) => `${text}: ${name}`;

const number = (options: Intl.NumberFormatOptions) => computed(() => new Intl.NumberFormat(language.value, options));
const plain = number({ maximumFractionDigits: 3 });
const rounded = number({ maximumSignificantDigits: 2 });
const percent = number({ style: "percent", maximumFractionDigits: 0 });
const day = computed(() => new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }));
const moment = computed(() => new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }));

export const formatNumber = (n: number) => plain.value.format(n);
export const formatRough = (n: number) => rounded.value.format(n);
export const formatPercent = (n: number) => percent.value.format(n);
export const formatDay = (date: string) => day.value.format(new Date(date));
export const formatMoment = (date: string) => moment.value.format(new Date(date));

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Bytes for people, in powers of ten: 1.5 MB. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return new Intl.NumberFormat(language.value, {
    style: "unit", unit: units[power], unitDisplay: power === 0 ? "long" : "short", maximumFractionDigits: power > 1 ? 1 : 0,
  }).format(bytes / 1000 ** power);
}

/** Seconds as a player shows them: 1:02:03, or 0:07.5 where a fraction is there. */
export function formatTime(seconds: number): string {
  const tenths = Math.round(seconds * 10);
  const pad = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(tenths / 36_000);
  const m = Math.floor((tenths % 36_000) / 600);
  const s = pad(Math.floor((tenths % 600) / 10));
  const fraction = tenths % 10 ? `${formatNumber(0.1).slice(1, 2)}${tenths % 10}` : "";
  return `${h ? `${h}:${pad(m)}` : m}:${s}${fraction}`;
}
