import { afterEach, describe, expect, test } from "vitest";
import { dictionaries, formatBytes, formatTime, language, preferred, t, type Language } from "./i18n";

afterEach(() => { language.value = "en"; });

describe("both languages", () => {
  const { en, "pt-BR": pt } = dictionaries;
  test("have the same texts", () => expect(Object.keys(pt).sort()).toEqual(Object.keys(en).sort()));
  test("have something to say, and take the same things", () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      const [one, other] = [en[key], pt[key]];
      expect(typeof other, key).toBe(typeof one);
      if (typeof other === "string") expect(other.trim(), key).not.toBe("");
      else expect(other.length, key).toBe(one.length);
    }
  });
  test("have titles that do not break within a word", () => {
    for (const texts of [en, pt]) {
      const titles = Object.entries(texts).filter(([key]) => key.endsWith("_title"));
      expect(titles.filter(([, title]) => /\w-\w/.test(String(title)))).toEqual([]);
    }
  });
  test("are spoken at once", () => {
    expect(t.log_in).toBe("Log in");
    language.value = "pt-BR";
    expect(t.log_in).toBe("Entrar");
  });
});

test("the language is the first of the browser's that there is", () => {
  const of = (...languages: string[]): Language => preferred(languages);
  expect(of("pt-PT", "en")).toBe("pt-BR");
  expect(of("de", "pt", "en")).toBe("pt-BR");
  expect(of("en-GB", "pt")).toBe("en");
  expect(of("de")).toBe("en");
});

test("bytes are written in powers of ten", () => {
  expect(formatBytes(0)).toBe("0 bytes");
  expect(formatBytes(999)).toBe("999 bytes");
  expect(formatBytes(1_500_000)).toBe("1.5 MB");
  language.value = "pt-BR";
  expect(formatBytes(1_500_000)).toBe("1,5 MB");
});

test("times are written as players do", () => {
  expect([0, 7.5, 61, 3723, 59.96].map(formatTime)).toEqual(["0:00", "0:07.5", "1:01", "1:02:03", "1:00"]);
  language.value = "pt-BR";
  expect(formatTime(7.5)).toBe("0:07,5");
});
