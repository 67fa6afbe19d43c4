// The small parts that pages are made of.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { explain, flash } from "../state";

type Input = Omit<JSX.IntrinsicElements["input"], "label" | "id">;

/** A labelled field; its hint is read with it. */
export function Field({ label, hint, error, ...input }: Input & { label: string; hint?: string | undefined; error?: string | undefined }) {
  const id = useId();
  const note = error || hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input {...(input as object)} id={id} aria-describedby={note ? `${id}-note` : undefined} aria-invalid={error ? true : undefined} />
      {note && <p id={`${id}-note`} class={error ? "note bad" : "note"}>{note}</p>}
    </div>
  );
}

export const NewPassword = ({ label, name }: { label: string; name: string }) => (
  <Field label={label} name={name} type="password" autocomplete="new-password" required minLength={10} maxLength={1000} hint={t.password_hint} />
);

/** The code that was mailed. */
export const Code = ({ value = "" }: { value?: string }) => (
  <Field label={t.code} name="code" autocomplete="one-time-code" autocapitalize="characters" spellcheck={false} required maxLength={50}
    class="code" placeholder="7K2M-9XQ4" defaultValue={value} />
);

export function Select<T extends string>({ label, value, options, onValue }: {
  label: string; value: T; options: readonly (readonly [T, string])[]; onValue: (value: T) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(e) => onValue(e.currentTarget.value as T)}>
        {options.map(([option, text]) => <option key={option} value={option} selected={option === value}>{text}</option>)}
      </select>
    </div>
  );
}

export function Check({ label, checked, onValue }: { label: string; checked: boolean; onValue: (checked: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(e) => onValue(e.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

export function Notice({ kind, children }: { kind: "bad" | "good" | "plain"; children: ComponentChildren }) {
  return <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>{children}</div>;
}

/** A page's heading, which gets the focus when the page is gone to. */
export function Heading({ title, children }: { title: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => { // at once: later it would take the focus from where somebody has put it
    if (visited) heading.current?.focus({ preventScroll: true });
    visited = true; // a browser itself begins at the first page's top
  }, []);
  useEffect(() => {
    document.title = `${title} · Fotograma`;
  }, [title]);
  return <div class="heading"><h1 ref={heading} tabIndex={-1}>{title}</h1>{children}</div>;
}
let visited = false;

/** Gives the focus to the page's heading, if what had it has gone. */
export function keepFocus(): void {
  setTimeout(() => { // once the page is drawn anew
    if (document.activeElement === document.body) document.querySelector("h1")?.focus({ preventScroll: true });
  });
}

export function Spinner({ text }: { text: string }) {
  return <p class="loading" role="status"><span class="spinner" aria-hidden="true" />{text}</p>;
}

/** Runs what a person asked for; says whether it runs, and what went wrong. */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const run = async (action: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError("");
    try {
      await action();
      return true;
    } catch (problem) {
      setError(explain(problem));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run, fail: setError };
}

/** A form that sends what is in its fields. */
export function Form({ submit, label, kind = "primary", children, aside }: {
  submit: (fields: Record<string, string>, form: HTMLFormElement) => Promise<unknown>;
  label: string; kind?: "primary" | "danger" | ""; children?: ComponentChildren; aside?: ComponentChildren;
}) {
  const action = useAction();
  return (
    <form onSubmit={(e) => {
      e.preventDefault();
      const form = e.currentTarget;
      flash.value = "";
      void action.run(() => submit(Object.fromEntries(new FormData(form)) as Record<string, string>, form));
    }}>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {children}
      <div class="actions"><button class={kind} disabled={action.busy}>{label}</button>{aside}</div>
    </form>
  );
}

/** A dialog above the page. It is closed by Escape too. */
export function Dialog({ title, close, children, wide }: { title: string; close: () => void; children: ComponentChildren; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
      keepFocus(); // the button that opened it may have gone with what it was about
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} class={wide ? "wide" : ""} onClose={close}
      onClick={(e) => e.target === dialog.current && close()}>
      <div class="dialog">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** Asks whether something is really meant. */
export function Confirm({ title, text, label, action, close }: {
  title: string; text: string; label: string; action: () => Promise<unknown>; close: () => void;
}) {
  const doing = useAction();
  return (
    <Dialog title={title} close={close}>
      <p>{text}</p>
      {doing.error && <Notice kind="bad">{doing.error}</Notice>}
      <div class="actions">
        <button type="button" class="danger" disabled={doing.busy}
          onClick={async () => { if (await doing.run(action)) close(); }}>{label}</button>
        <button type="button" onClick={close}>{t.cancel}</button>
      </div>
    </Dialog>
  );
}
