// The pages in front of the login.

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Code, Field, Form, Heading, NewPassword, Notice, useAction } from "../parts/ui";
import { language, t } from "../i18n";
import { api, enter, flash, inside, load, user } from "../state";

/** What a mailed link brings: the fragment never leaves the browser, and is not left in its address. */
function useFragment(): { email: string; code: string } {
  const [given, setGiven] = useState(takeFragment);
  useEffect(() => {
    const followed = () => { if (location.hash) setGiven(takeFragment()); };
    addEventListener("hashchange", followed);
    return () => removeEventListener("hashchange", followed);
  }, []);
  return given;
}

function takeFragment() {
  const members = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return { email: members.get("email") ?? "", code: members.get("code") ?? "" };
}

// The address that was typed on the page before this one.
let typed = "";

function Door({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="door">
      <section class="pitch">
        <p class="lead">{t.pitch}</p>
        <p>{t.pitch_text}</p>
        <ul><li>{t.pitch_modes}</li><li>{t.pitch_formats}</li><li>{t.pitch_private}</li></ul>
      </section>
      <section class="card">
        <Heading title={title} />
        {flash.value && <Notice kind="plain">{flash.value}</Notice>}
        {children}
      </section>
    </div>
  );
}

const Email = ({ value }: { value?: string }) => (
  <Field label={t.email} name="email" type="email" autocomplete="username" required maxLength={320} defaultValue={value ?? typed} />
);

export function Login() {
  return (
    <Door title={t.login_title}>
      <Form label={t.log_in} submit={({ email = "", password = "" }) => { typed = email; return enter(email, password); }}
        aside={<a href="/forgot-password">{t.forgot}</a>}>
        <Email />
        <Field label={t.password} name="password" type="password" autocomplete="current-password" required maxLength={1000} />
      </Form>
      <p class="other">{t.login_new} <a href="/register">{t.register}</a></p>
    </Door>
  );
}

export function Register() {
  const { route } = useLocation();
  return (
    <Door title={t.register_title}>
      <Form label={t.register} submit={async ({ name, email = "", password = "" }) => {
        typed = email;
        await api.open("POST", "/auth/register", { name, email, password, locale: language.value });
        route("/verify-email");
        await enter(email, password);
      }}>
        <Field label={`${t.name} (${t.optional})`} name="name" autocomplete="name" maxLength={200} />
        <Email />
        <NewPassword label={t.password} name="password" />
      </Form>
      <p class="other">{t.login_known} <a href="/login">{t.log_in}</a></p>
    </Door>
  );
}

export function VerifyEmail() {
  const { route } = useLocation();
  const given = useFragment();
  const address = given.email || (user.value?.email ?? typed);
  const again = useAction();
  const [sent, setSent] = useState(false);
  return (
    <Door title={t.verify_title}>
      {!given.code && <p>{address ? t.verify_text(address) : t.verify_text_unknown}</p>}
      {sent && <Notice kind="good">{t.verify_sent}</Notice>}
      {again.error && <Notice kind="bad">{again.error}</Notice>}
      <Form label={t.verify} submit={async ({ email = address, code = "" }) => {
        await api.open("POST", "/auth/email/verify", { email, code });
        if (inside.value) await load();
        flash.value = t.verify_done;
        route("/");
      }} aside={inside.value && <a href="/">{t.verify_later}</a>}>
        {!address && !inside.value && <Email />}
        <Code key={given.code} value={given.code} />
      </Form>
      {inside.value && (
        <p class="other">
          <button type="button" class="link" disabled={again.busy}
            onClick={async () => setSent(await again.run(() => api.call("POST", "/auth/email/verification")))}>{t.verify_again}</button>
        </p>
      )}
    </Door>
  );
}

/** Where the link goes that is mailed to a new address. */
export function ConfirmEmail() {
  const { route } = useLocation();
  const given = useFragment();
  return (
    <Door title={t.change_email}>
      {!given.code && <p>{t.verify_text_unknown}</p>}
      <Form label={t.verify} submit={async ({ code }) => {
        user.value = await api.call("POST", "/auth/email/confirm", { code });
        flash.value = t.change_email_done;
        route("/settings");
      }}>
        <Code key={given.code} value={given.code} />
      </Form>
    </Door>
  );
}

export function ForgotPassword() {
  const { route } = useLocation();
  return (
    <Door title={t.forgot_title}>
      <p>{t.forgot_text}</p>
      <Form label={t.forgot_send} aside={<a href="/login">{t.log_in}</a>} submit={async ({ email = "" }) => {
        typed = email;
        await api.open("POST", "/auth/password/forgot", { email });
        flash.value = t.forgot_sent;
        route("/reset-password");
      }}>
        <Email />
      </Form>
    </Door>
  );
}

export function ResetPassword() {
  const { route } = useLocation();
  const given = useFragment();
  return (
    <Door title={t.reset_title}>
      <Form label={t.reset} aside={<a href="/forgot-password">{t.verify_again}</a>} submit={async ({ email = "", code = "", password = "" }) => {
        await api.open("POST", "/auth/password/reset", { email, code, password });
        typed = email;
        flash.value = t.reset_done;
        route("/login");
      }}>
        <Email key={given.email} value={given.email || (user.value?.email ?? typed)} />
        <Code key={given.code} value={given.code} />
        <NewPassword label={t.new_password} name="password" />
      </Form>
    </Door>
  );
}
