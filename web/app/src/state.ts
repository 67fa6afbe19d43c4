// What all pages share: the API, the session, the language and the appearance.

import { effect, signal } from "@preact/signals";
import { Api, Problem, Unreachable } from "./api";
import { dictionaries, language, preferred, t, type Language } from "./i18n";
import type { User } from "./types";

// A browser may refuse to keep anything; then nothing is kept.
function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // see above
  }
}

export const stored = { recall, keep };

const chosen = recall("language");
language.value = chosen !== null && chosen in dictionaries ? (chosen as Language) : preferred(navigator.languages);
effect(() => {
  document.documentElement.lang = language.value;
});

export function speak(to: Language): void {
  language.value = to;
  keep("language", to);
}

export type Theme = "auto" | "light" | "dark";
export const theme = signal<Theme>((recall("theme") as Theme | null) ?? "auto");
effect(() => {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  keep("theme", theme.value === "auto" ? null : theme.value);
});

/**
 * Whether there may be a session: the cookie that has it cannot be seen, so that it is
 * remembered apart.
 */
export const inside = signal(recall("session") !== null);
export const user = signal<User | null>(null);

/** A sentence for the next page. */
export const flash = signal("");

/** Whether the server answered last. */
export const reachable = signal(true);

/** What a screen reader is to say. */
export const announcement = signal("");

export const api = new Api({
  fetch: async (input, init) => {
    try {
      const response = await fetch(input, init);
      reachable.value = true;
      return response;
    } catch (error) {
      if (!init?.signal?.aborted) reachable.value = false;
      throw error;
    }
  },
  alone: async (run) => { await navigator.locks.request("renew", run); },
  language: () => language.value,
  ended: () => {
    flash.value = t.session_over;
    left();
  },
});

// What is to be done when the session ends.
const endings = new Set<() => void>();
export const onLeave = (run: () => void) => endings.add(run);

function left(): void {
  api.forget();
  keep("session", null);
  user.value = null;
  inside.value = false;
  for (const run of endings) run();
}

export async function enter(email: string, password: string): Promise<void> {
  await api.login(email, password);
  keep("session", "yes");
  inside.value = true;
  await load();
}

export async function leave(): Promise<void> {
  await api.call("POST", "/auth/logout").catch(() => {}); // it ends here in any case
  flash.value = "";
  left();
}

/** The account is no more. */
export function gone(): void {
  flash.value = t.erase_done;
  left();
}

export async function load(): Promise<void> {
  user.value = await api.call<User>("GET", "/auth/me");
}

addEventListener("storage", (e) => {
  if (e.key === "session" && e.newValue === null && inside.value) left();
  if (e.key === "session" && e.newValue !== null && !inside.value) inside.value = true;
});

/** What to tell a person of an error. */
export function explain(error: unknown): string {
  if (error instanceof Problem) {
    return error.status >= 500 && error.trace ? `${error.message} ${t.reference(error.trace)}` : error.message;
  }
  if (error instanceof Unreachable) return t.unreachable;
  console.error(error);
  return t.unexpected;
}
