import { render, type ComponentType } from "preact";
import { LocationProvider, Route, Router, useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { language, languageOptions, t } from "./i18n";
import { ConfirmEmail, ForgotPassword, Login, Register, ResetPassword, VerifyEmail } from "./pages/account";
import { Unsubscribe } from "./pages/notifications";
import { Settings } from "./pages/settings";
import { VideoPage } from "./pages/video";
import { Videos } from "./pages/videos";
import { Heading, Notice, Select } from "./parts/ui";
import { announcement, flash, inside, leave, load, reachable, speak, theme, user, type Theme } from "./state";
import "./style.css";

function App() {
  useEffect(() => {
    if (inside.value && user.value === null) load().catch(() => {}); // pages tell what is wrong
  }, [inside.value]);
  return (
    <LocationProvider>
      <a class="skip" href="#content">{t.skip}</a>
      <Header />
      <main id="content" tabIndex={-1}>
        {!reachable.value && <Notice kind="bad">{t.offline}</Notice>}
        <Sayings />
        <Pages />
      </main>
      <Footer />
      <div class="unseen" aria-live="polite">{announcement.value}</div>
    </LocationProvider>
  );
}

function Header() {
  const { path } = useLocation();
  const here = (to: string) => ({ href: to, ...(path === to ? { "aria-current": "page" as const } : {}) });
  return (
    <header>
      <a class="brand" href="/" aria-label={t.brand}><img src="/icon.svg" alt="" width="28" height="28" /><span>{t.brand}</span></a>
      {inside.value && (
        <nav>
          <a {...here("/")}>{t.videos}</a>
          <a {...here("/settings")}>{t.settings}</a>
          <button type="button" class="quiet" onClick={leave}>{t.log_out}</button>
        </nav>
      )}
    </header>
  );
}

function Footer() {
  return (
    <footer>
      <Select label={t.language} value={language.value} options={languageOptions} onValue={speak} />
      <Select<Theme> label={t.theme} value={theme.value} onValue={(value) => { theme.value = value; }}
        options={[["auto", t.theme_auto], ["light", t.theme_light], ["dark", t.theme_dark]]} />
    </footer>
  );
}

// A sentence for the page that was gone to is gone with it.
function forgetFlash() {
  const said = flash.value;
  if (said) setTimeout(() => { if (flash.value === said) flash.value = ""; }, 15_000);
}

const within = (Page: ComponentType) => () => (inside.value ? <Page /> : <Login />);
const before = (Page: ComponentType) => () => (inside.value ? <ToVideos /> : <Page />);

// One list for those who are logged in and those who are not: what somebody types stays
// when the session begins or ends meanwhile.
const pages = {
  list: within(Videos), video: within(VideoPage), settings: within(Settings), confirm: within(ConfirmEmail), none: within(NotFound),
  login: before(Login), register: before(Register),
};

function Pages() {
  return (
    <Router onRouteChange={forgetFlash}>
      <Route path="/" component={pages.list} />
      <Route path="/videos/:id" component={pages.video} />
      <Route path="/settings" component={pages.settings} />
      <Route path="/login" component={pages.login} />
      <Route path="/register" component={pages.register} />
      <Route path="/verify-email" component={VerifyEmail} />
      <Route path="/confirm-email" component={pages.confirm} />
      <Route path="/forgot-password" component={ForgotPassword} />
      <Route path="/reset-password" component={ResetPassword} />
      <Route path="/unsubscribe" component={Unsubscribe} />
      <Route default component={pages.none} />
    </Router>
  );
}

/** What is to be said above a page. */
function Sayings() {
  const { path } = useLocation();
  if (!inside.value) return null;
  const unverified = user.value && !user.value.email_verified && path !== "/verify-email";
  return (
    <>
      {unverified && <Notice kind="plain">{t.verify_banner} <a href="/verify-email">{t.verify_banner_action}</a></Notice>}
      {flash.value && path === "/" && <Notice kind="good">{flash.value}</Notice>}
    </>
  );
}

function ToVideos() {
  const { route } = useLocation();
  useEffect(() => route("/", true), []);
  return null;
}

function NotFound() {
  return (
    <>
      <Heading title={t.not_found} />
      <p>{t.not_found_text}</p>
      <p><a class="button" href="/">{t.to_videos}</a></p>
    </>
  );
}

render(<App />, document.getElementById("app")!);
