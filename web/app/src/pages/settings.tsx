import { useEffect, useState } from "preact/hooks";
import { about, formatBytes, formatDay, formatMoment, formatNumber, languageOptions, t, type Language } from "../i18n";
import { Part, Secret, useRead } from "../parts/settings";
import { Check, Code, Confirm, Field, Form, Heading, NewPassword, Notice, Select, Spinner, useAction } from "../parts/ui";
import { Poll } from "../poll";
import { api, flash, gone, leave, user } from "../state";
import { scopes, type AuditPage, type Export, type Key, type Keys, type NewExport, type NewKey, type QuotaName, type Scope, type Session, type Sessions, type Usage } from "../types";
import { NotificationsPart } from "./notifications";

export function Settings() {
  return (
    <>
      <Heading title={t.settings} />
      {flash.value && <Notice kind="good">{flash.value}</Notice>}
      <div class="settings">
        <Profile />
        <UsagePart />
        <NotificationsPart />
        <SessionsPart />
        <KeysPart />
        <ChangePassword />
        <ChangeEmail />
        <Audit />
        <ExportPart />
        <Erase />
      </div>
    </>
  );
}

function Profile() {
  const [saved, setSaved] = useState(false);
  const [locale, setLocale] = useState<Language | null>(null);
  const person = user.value;
  return (
    <Part title={t.profile} text={t.profile_text}>
      {saved && <Notice kind="good">{t.saved}</Notice>}
      {person && (
        <Form label={t.save} submit={async ({ name }) => {
          user.value = await api.call("PATCH", "/auth/me", { name, locale: locale ?? person.locale });
          setSaved(true);
        }}>
          <div class="grid">
            <Field label={t.name} name="name" autocomplete="name" maxLength={200} defaultValue={person.name} />
            <Select label={t.mail_language} value={locale ?? person.locale} options={languageOptions} onValue={setLocale} />
          </div>
        </Form>
      )}
    </Part>
  );
}

function UsagePart() {
  const { value, waiting } = useRead<Usage>("/usage");
  const names: QuotaName[] = ["bytes_stored", "minutes_per_day", "videos_per_day", "concurrent_videos", "videos_per_minute"];
  const text = (name: QuotaName, n: number) => (name === "bytes_stored" ? formatBytes(n) : formatNumber(n));
  return (
    <Part title={t.usage}>
      {waiting}
      <dl class="quotas">
        {value && names.map((name) => {
          const { used, limit } = value.quotas[name];
          return (
            <div key={name}>
              <dt>{t[`usage_${name}`]}</dt>
              <dd>
                {t.usage_of(text(name, used), text(name, limit))}
                <meter min={0} max={limit} value={used} high={limit * 0.9} aria-label={t[`usage_${name}`]} />
              </dd>
            </div>
          );
        })}
      </dl>
    </Part>
  );
}

function ChangePassword() {
  const [done, setDone] = useState(false);
  return (
    <Part title={t.change_password} text={t.change_password_text}>
      {done && <Notice kind="good">{t.change_password_done}</Notice>}
      <Form label={t.change_password} kind="" submit={async ({ current_password, new_password }, form) => {
        setDone(false);
        await api.call("POST", "/auth/password", { current_password, new_password });
        form.reset();
        setDone(true);
      }}>
        <input class="hidden" name="username" autocomplete="username" value={user.value?.email ?? ""} readOnly tabIndex={-1} aria-hidden="true" />
        <div class="grid">
          <Field label={t.current_password} name="current_password" type="password" autocomplete="current-password" required maxLength={1000} />
          <NewPassword label={t.new_password} name="new_password" />
        </div>
      </Form>
    </Part>
  );
}

function ChangeEmail() {
  const [asked, setAsked] = useState("");
  const [done, setDone] = useState(false);
  return (
    <Part title={t.change_email} text={t.change_email_text(user.value?.email ?? "")}>
      {done && <Notice kind="good">{t.change_email_done}</Notice>}
      {asked ? (
        <>
          <Notice kind="plain">{t.change_email_sent(asked)}</Notice>
          <Form key="code" label={t.verify} aside={<button type="button" onClick={() => setAsked("")}>{t.cancel}</button>} submit={async ({ code }) => {
            user.value = await api.call("POST", "/auth/email/confirm", { code });
            setAsked("");
            setDone(true);
          }}>
            <Code />
          </Form>
        </>
      ) : (
        <Form key="address" label={t.change_email} kind="" submit={async ({ email = "", password }) => {
          setDone(false);
          await api.call("POST", "/auth/email", { email, password });
          setAsked(email);
        }}>
          <div class="grid">
            <Field label={t.new_email} name="email" type="email" autocomplete="email" required maxLength={320} />
            <Field label={t.current_password} name="password" type="password" autocomplete="current-password" required maxLength={1000} />
          </div>
        </Form>
      )}
    </Part>
  );
}

function SessionsPart() {
  const { value, waiting, read } = useRead<Sessions>("/auth/sessions");
  const action = useAction();
  const [all, setAll] = useState(false);
  const end = (session: Session) => action.run(async () => {
    if (session.current) return leave();
    await api.call("DELETE", `/auth/sessions/${session.id}`);
    return read();
  });
  return (
    <Part title={t.sessions} text={t.sessions_text}>
      {waiting}
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      <ul class="items">
        {value?.sessions?.map((session) => {
          const name = programOf(session.user_agent);
          return (
            <li key={session.id}>
              <div class="grow">
                <strong>{name}</strong>{session.current && <span class="status completed">{t.session_current}</span>}
                <p class="note">{session.network} · {t.session_used(formatMoment(session.last_used_at))}</p>
              </div>
              <button type="button" disabled={action.busy} aria-label={about(t.session_end, name)} onClick={() => end(session)}>{t.session_end}</button>
            </li>
          );
        })}
      </ul>
      <div class="actions"><button type="button" onClick={() => setAll(true)}>{t.sessions_end_all}</button></div>
      {all && (
        <Confirm title={t.sessions_end_all} text={t.sessions_end_text} label={t.sessions_end_all} close={() => setAll(false)}
          action={async () => { await api.call("DELETE", "/auth/sessions"); await leave(); }} />
      )}
    </Part>
  );
}

/** A browser and its system, in words; other programs as they call themselves. */
function programOf(agent: string): string {
  const browser = /(Edg|OPR|Firefox|HeadlessChrome|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(agent)?.[1];
  if (!browser) return agent.slice(0, 60) || "?";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", HeadlessChrome: "Chrome", "Mac OS X": "macOS" };
  return [browser, system].filter((part) => part !== undefined).map((part) => names[part] ?? part).join(", ");
}

function KeysPart() {
  const { value, waiting, read } = useRead<Keys>("/auth/keys");
  const [made, setMade] = useState("");
  const [wanted, setWanted] = useState<Scope[]>(["videos:read", "videos:write"]);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const create = async ({ name, days = "" }: Record<string, string>, form: HTMLFormElement) => {
    const body = { name, scopes: wanted, ...(days ? { expires_in_days: Number(days) } : {}) };
    const { secret } = await api.call<NewKey>("POST", "/auth/keys", body);
    form.reset();
    setMade(secret);
    await read();
  };
  return (
    <Part title={t.keys} text={t.keys_text}>
      {waiting}
      {value?.keys.length === 0 && <p class="note">{t.keys_none}</p>}
      <ul class="items">
        {value?.keys.map((key) => (
          <li key={key.id}>
            <div class="grow">
              <strong>{key.name}</strong> <code>…{key.hint}</code>
              <p class="note">
                {[key.scopes.map(scopeText).join(", "), key.last_used_at ? t.key_used(formatMoment(key.last_used_at)) : t.key_unused,
                  key.expires_at ? t.key_expires(formatDay(key.expires_at)) : ""].filter(Boolean).join(" · ")}
              </p>
            </div>
            <button type="button" aria-label={about(t.key_revoke, key.name)} onClick={() => setRevoking(key)}>{t.key_revoke}</button>
          </li>
        ))}
      </ul>
      {made && (
        <Secret key={made} text={t.key_made} label={t.key_secret} value={made} />
      )}
      <details>
        <summary>{t.key_create}</summary>
        <Form label={t.key_create} submit={create}>
          <div class="grid">
            <Field label={t.key_name} name="name" required maxLength={100} autocomplete="off" />
            <Field label={t.key_days} name="days" type="number" min={1} max={3650} hint={t.key_days_hint} />
          </div>
          <fieldset>
            <legend>{t.key_scopes}</legend>
            {scopes.map((scope) => (
              <Check key={scope} label={scopeText(scope)} checked={wanted.includes(scope)}
                onValue={(on) => setWanted(on ? [...wanted, scope] : wanted.filter((other) => other !== scope))} />
            ))}
            {wanted.length === 0 && <p class="note bad" role="alert">{t.key_scope_needed}</p>}
          </fieldset>
        </Form>
      </details>
      {revoking && (
        <Confirm title={about(t.key_revoke, revoking.name)} text={t.key_revoke_text} label={t.key_revoke} close={() => setRevoking(null)}
          action={async () => { await api.call("DELETE", `/auth/keys/${revoking.id}`); await read(); }} />
      )}
    </Part>
  );
}

const scopeText = (scope: Scope) => t[`scope_${scope.replace(":", "_") as "videos_read"}`];

function Audit() {
  const { value, set, waiting } = useRead<AuditPage>("/auth/audit?limit=10");
  const action = useAction();
  const more = () => action.run(async () => {
    const next = await api.call<AuditPage>("GET", `/auth/audit?limit=20&cursor=${encodeURIComponent(value!.next_cursor!)}`);
    set({ ...next, entries: [...(value!.entries ?? []), ...(next.entries ?? [])] });
  });
  return (
    <Part title={t.audit} text={t.audit_text}>
      {waiting}
      {value && !value.entries?.length && <p class="note">{t.audit_none}</p>}
      <ul class="items">
        {value?.entries?.map((entry) => (
          <li key={entry.id}>
            <div class="grow">
              <strong>{actionText(entry.action)}</strong>{entry.result === "failure" && <span class="status failed">{t.audit_failed}</span>}
              <p class="note">{[formatMoment(entry.at), entry.network, programOf(entry.user_agent)].join(" · ")}</p>
            </div>
          </li>
        ))}
      </ul>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {value?.next_cursor && <div class="actions"><button type="button" disabled={action.busy} onClick={more}>{t.more}</button></div>}
    </Part>
  );
}

const actionText = (action: string): string => {
  const text = t[`action_${action}` as keyof typeof t];
  return typeof text === "string" ? text : action;
};

function ExportPart() {
  const [wanted, setWanted] = useState<Export | null>(null);
  const action = useAction();
  const id = wanted?.status === "pending" ? wanted.id : undefined;
  useEffect(() => {
    if (!id) return;
    const poll = new Poll(async () => {
      const now = await api.call<Export>("GET", `/auth/exports/${id}`);
      setWanted(now);
      return now.status === "pending";
    });
    poll.start();
    return () => poll.stop();
  }, [id]);
  return (
    <Part title={t.export} text={t.export_text}>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {wanted?.status === "pending" && <Spinner text={t.export_pending} />}
      {wanted?.status === "ready" && (
        <>
          <Notice kind="good">{t.export_ready(formatMoment(wanted.expires_at))}</Notice>
          <ul class="items">
            {wanted.files?.map((file) => <li key={file.name}><a href={file.url} download={file.name} target="_blank" rel="noreferrer">{file.name}</a><span class="note">{formatBytes(file.size)}</span></li>)}
          </ul>
        </>
      )}
      {wanted === null && (
        <div class="actions">
          <button type="button" disabled={action.busy}
            onClick={() => action.run(async () => setWanted((await api.call<NewExport>("POST", "/auth/exports")).export))}>{t.export_request}</button>
        </div>
      )}
    </Part>
  );
}

function Erase() {
  const [password, setPassword] = useState<string | null>(null);
  return (
    <Part title={t.erase} text={t.erase_text}>
      <Form label={t.erase_button} kind="danger" submit={async ({ password }) => setPassword(password ?? "")}>
        <div class="grid"><Field label={t.password} name="password" type="password" autocomplete="current-password" required maxLength={1000} /></div>
      </Form>
      {password !== null && (
        <Confirm title={t.erase_sure} text={t.erase_sure_text} label={t.erase_button} close={() => setPassword(null)}
          action={async () => { await api.call("DELETE", "/auth/me", { password }); gone(); }} />
      )}
    </Part>
  );
}

