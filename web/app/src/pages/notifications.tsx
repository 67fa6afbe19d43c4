// Which mails come: the part of the settings, and the page that mails link to.

import { useEffect, useRef, useState } from "preact/hooks";
import { formatMoment, t } from "../i18n";
import { Part, useRead } from "../parts/settings";
import { Check, Heading, Notice, useAction } from "../parts/ui";
import { api, inside } from "../state";
import type { Notifications, Preferences } from "../types";

const switches = ["completed", "failed"] as const;
type Switch = (typeof switches)[number];

export function NotificationsPart() {
  return (
    <Part title={t.notifications} text={t.notifications_text}>
      <Switches />
      <Sent />
    </Part>
  );
}

/** Each change is sent alone and at once, so that one made elsewhere meanwhile stays. */
function Switches() {
  const { value, set, waiting } = useRead<Preferences>("/notifications/preferences");
  const action = useAction();
  const [saved, setSaved] = useState(false);
  const last = useRef<Promise<void>>(Promise.resolve());
  const show = (name: Switch, on: boolean) => set((now) => now && { ...now, email: { ...now.email, [name]: on } });
  const send = async (name: Switch, on: boolean) => {
    const done = await action.run(() => api.call("PUT", "/notifications/preferences", { email: { [name]: on } }));
    setSaved(done);
    if (!done) show(name, !on);
  };
  const turn = (name: Switch, on: boolean) => {
    setSaved(false);
    show(name, on);
    last.current = last.current.then(() => send(name, on)); // in the order of the clicks
  };
  return (
    <>
      {waiting}
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      <div class="checks">
        {value && switches.map((name) => (
          <Check key={name} label={t[`notify_${name}`]} checked={value.email[name]} onValue={(on) => turn(name, on)} />
        ))}
      </div>
      <p class="note" role="status">{saved && t.saved}</p>
    </>
  );
}

function Sent() {
  const { value, set, waiting } = useRead<Notifications>("/notifications?limit=5");
  const action = useAction();
  const more = () => action.run(async () => {
    const next = await api.call<Notifications>("GET", `/notifications?limit=20&cursor=${encodeURIComponent(value!.next_cursor!)}`);
    set({ ...next, notifications: [...(value!.notifications ?? []), ...(next.notifications ?? [])] });
  });
  return (
    <>
      <h3>{t.sent}</h3>
      {waiting}
      {value?.notifications?.length === 0 && <p class="note">{t.sent_none}</p>}
      <ul class="items">
        {value?.notifications?.map((one) => (
          <li key={one.id}>
            <div class="grow">
              <strong>{one.video_id ? <a href={`/videos/${one.video_id}`}>{sentText(one.kind)}</a> : sentText(one.kind)}</strong>
              <p class="note">{formatMoment(one.sent_at)}</p>
            </div>
          </li>
        ))}
      </ul>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {value?.next_cursor && <div class="actions"><button type="button" disabled={action.busy} onClick={more}>{t.more}</button></div>}
    </>
  );
}

const sentText = (kind: string): string => {
  const text = t[`sent_${kind}` as keyof typeof t];
  return typeof text === "string" ? text : kind;
};

/** What is in the fragment stays in the browser, and the token says which mails it stops. */
function useToken(): string {
  const read = () => new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  const [token, set] = useState(read);
  useEffect(() => {
    const followed = () => set(read());
    addEventListener("hashchange", followed);
    return () => removeEventListener("hashchange", followed);
  }, []);
  return token;
}

/** Where the link at the end of a mail goes: who has the mail needs no login. */
export function Unsubscribe() {
  const token = useToken();
  return (
    <section class="card">
      <Heading title={t.unsubscribe_title} />
      <Stop key={token} token={token} />
    </section>
  );
}

function Stop({ token }: { token: string }) {
  const action = useAction();
  const [done, setDone] = useState(false);
  const kind = switches.find((name) => name === token.split(".")[2]);
  if (!kind) return <Notice kind="bad">{t.unsubscribe_broken}</Notice>;
  if (done) {
    return (
      <>
        <Notice kind="good">{t[`unsubscribe_done_${kind}`]}</Notice>
        <p>{t.unsubscribe_rest} <a href="/settings">{inside.value ? t.settings : t.log_in}</a></p>
      </>
    );
  }
  return (
    <>
      <p>{t[`unsubscribe_${kind}`]}</p>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      <div class="actions">
        <button type="button" class="primary" disabled={action.busy} onClick={async () => setDone(await action.run(
          () => api.open("POST", `/notifications/unsubscribe?token=${encodeURIComponent(token)}`)))}>{t.unsubscribe}</button>
      </div>
    </>
  );
}
