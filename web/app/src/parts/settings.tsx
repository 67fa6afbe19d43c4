// What the settings are made of.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { t } from "../i18n";
import { api, explain } from "../state";
import { Notice, Spinner, useAction } from "./ui";

/** One of the settings, under its own heading. */
export function Part({ title, text, children }: { title: string; text?: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {text && <p class="note">{text}</p>}
      {children}
    </section>
  );
}

/** What is read from an address of the API when a part is first seen. */
export function useRead<T>(path: string) {
  const [value, set] = useState<T | null>(null);
  const [error, setError] = useState("");
  const read = async () => {
    setError("");
    try {
      set(await api.call<T>("GET", path));
    } catch (problem) {
      setError(explain(problem));
    }
  };
  useEffect(() => void read(), []);
  const waiting = error
    ? <Notice kind="bad">{error} <button type="button" onClick={read}>{t.try_again}</button></Notice>
    : value === null && <Spinner text={t.loading} />;
  return { value, set, read, waiting };
}

/** A secret that is shown once, to be copied. */
export function Secret({ text, label, value }: { text: string; label: string; value: string }) {
  const [copied, setCopied] = useState(false);
  const copy = useAction();
  return (
    <Notice kind="good">
      <p>{text}</p>
      <div class="secret">
        <input readOnly value={value} aria-label={label} class="code" onFocus={(e) => e.currentTarget.select()} />
        <button type="button" onClick={async () => setCopied(await copy.run(() => navigator.clipboard.writeText(value)))}>{copied ? t.copied : t.copy}</button>
      </div>
      {copy.error && <p class="bad" role="alert">{t.copy_failed}</p>}
    </Notice>
  );
}
