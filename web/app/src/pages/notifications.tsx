// Which mails come: the part of the settings, and the page that mails link to.

import { useEffect, useRef, useState } from "preact/hooks";
import { formatMoment, t } from "../i18n";
import { Part, Secret, useRead } from "../parts/settings";
import { Check, Confirm, Field, Form, Heading, Notice, useAction } from "../parts/ui";
import { api, inside } from "../state";
import type { Deliveries, Delivery, Notifications, Preferences, Suppression, TestDelivery } from "../types";

/** What can be switched, and what the link in a mail can be about. */
const switches = ["completed", "failed", "expiring", "digest"] as const;
type Switch = (typeof switches)[number];

type Read = ReturnType<typeof useRead<Preferences>>;

export function NotificationsPart() {
  const preferences = useRead<Preferences>("/notifications/preferences");
  return (
    <Part title={t.notifications} text={t.notifications_text}>
      {preferences.waiting}
      <Switches {...preferences} />
      <Sent />
      <Webhook {...preferences} />
    </Part>
  );
}

/** Each change is sent alone and at once, so that one made elsewhere meanwhile stays. */
function Switches({ value, set }: Read) {
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
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {value?.suppressed && <Suppressed {...value.suppressed} lifted={() => set((now) => now && { email: now.email, ...(now.webhook && { webhook: now.webhook }) })} />}
      <div class="checks">
        {value && switches.map((name) => (
          <Check key={name} label={t[`notify_${name}`]} checked={value.email[name]} onValue={(on) => turn(name, on)} />
        ))}
      </div>
      <p class="note" role="status">{saved && t.saved}</p>
    </>
  );
}

/** That no mails reach the person, and what to do about it. */
function Suppressed({ reason, since, liftable, lifted }: Suppression & { lifted: () => void }) {
  const action = useAction();
  return (
    <Notice kind="bad">
      <p>{t[`suppressed_${reason}`](formatMoment(since))} {liftable ? t.suppressed_lift : t.suppressed_stays}</p>
      {action.error && <p>{action.error}</p>}
      {liftable && (
        <button type="button" disabled={action.busy}
          onClick={async () => { if (await action.run(() => api.call("DELETE", "/notifications/suppression"))) lifted(); }}>{t.suppressed_button}</button>
      )}
    </Notice>
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

/** Where the person's programs are told of videos. */
function Webhook({ value, set }: Read) {
  const log = useRead<Deliveries>("/notifications/webhook/deliveries?limit=5");
  const action = useAction();
  const [removing, setRemoving] = useState(false);
  const change = async (webhook: { url: string; new_secret?: boolean }) => {
    const changed = await api.call<Preferences>("PUT", "/notifications/preferences", { webhook });
    set((now) => ({ ...changed, email: now?.email ?? changed.email })); // a click on a switch may be under way
  };
  const hook = value?.webhook;
  const test = () => action.run(async () => {
    const { id } = await api.call<TestDelivery>("POST", "/notifications/webhook/test");
    for (let i = 0; i < 15; i++) { // as long as a webhook may take to answer, and a little more
      await new Promise((done) => setTimeout(done, 1000));
      const page = await api.call<Deliveries>("GET", "/notifications/webhook/deliveries?limit=5");
      log.set(page);
      if (page.deliveries?.some((one) => one.id === id && one.state !== "waiting")) return;
    }
  });
  return (
    <>
      <h3>{t.webhook}</h3>
      <p class="note">{t.webhook_text}</p>
      {value && (
        <Form label={t.save} submit={({ url = "" }) => change({ url })} aside={hook && (
          <>
            <button type="button" disabled={action.busy} onClick={test}>{t.webhook_test}</button>
            <button type="button" disabled={action.busy} onClick={() => action.run(() => change({ url: hook.url, new_secret: true }))}>{t.webhook_renew}</button>
            <button type="button" onClick={() => setRemoving(true)}>{t.webhook_remove}</button>
          </>
        )}>
          <Field key={hook?.url} label={t.webhook_url} name="url" type="url" required maxLength={2000} autocomplete="off"
            defaultValue={hook?.url ?? ""} placeholder="https://" hint={hook && t.webhook_since(formatMoment(hook.since))} />
        </Form>
      )}
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      {hook?.secret && <Secret key={hook.secret} text={t.webhook_secret_text} label={t.webhook_secret} value={hook.secret} />}
      {log.value?.deliveries?.length ? <DeliveryList all={log.value.deliveries} /> : null}
      {removing && (
        <Confirm title={t.webhook_remove} text={t.webhook_remove_text} label={t.webhook_remove} close={() => setRemoving(false)}
          action={() => change({ url: "" })} />
      )}
    </>
  );
}

function DeliveryList({ all }: { all: Delivery[] }) {
  return (
    <>
      <h4>{t.deliveries}</h4>
      <ul class="items" aria-live="polite">
        {all.map((one) => (
          <li key={one.id}>
            <div class="grow">
              <strong>{one.video_id ? <a href={`/videos/${one.video_id}`}><code>{one.type}</code></a> : <code>{one.type}</code>}</strong>
              <p class="note">{[formatMoment(one.created_at), t[`delivery_${one.state}`], faultText(one),
                one.next_at && one.tries?.length ? t.delivery_next(formatMoment(one.next_at)) : ""].filter(Boolean).join(" · ")}</p>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

const faultText = ({ tries }: Delivery): string => {
  const last = tries?.at(-1);
  if (!last?.fault) return "";
  if (last.status) return t.fault_status(last.status);
  const text = t[`fault_${last.fault}` as keyof typeof t];
  return typeof text === "string" ? text : last.fault;
};

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
