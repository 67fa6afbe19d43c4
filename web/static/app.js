// Fotograma in the browser: log in, upload videos, watch them, download frames.

const texts = {
  en: {
    pitch: "Upload a video, get its frames back in a ZIP.", email: "E-mail", password: "Password (at least 10 characters)",
    login: "Log in", register: "Create an account", logout: "Log out",
    drop: "Drop videos here, or choose them", drop_hint: "MP4, MOV, MKV, WebM, AVI, MPEG-TS and more",
    mode: "Frames", by_interval: "One every … seconds", by_fps: "So many a second", by_count: "So many, evenly spaced",
    by_timestamps: "At the times that I give", by_every_nth: "Every … picture", by_keyframes: "The keyframes", by_scenes: "One for each scene",
    interval: "Seconds from one frame to the next", fps: "Frames a second", count: "How many frames", every_nth: "Pictures from one frame to the next",
    timestamps: "Seconds, with spaces between them", threshold: "How much must change, 0 to 1",
    format: "Format", width: "Width in pixels (empty: as the video)", dedupe: "Leave out frames that hardly differ from the one before",
    sprite: "Add contact sheets for players (sprites and WebVTT)", your_videos: "Your videos", empty: "Nothing here yet.", more: "Show more",
    download: "Download the frames", cancel: "Cancel", delete: "Delete", uploading: "Uploading",
    awaiting_upload: "Waiting for the upload", queued: "Queued", processing: "Processing", completed: "Ready", failed: "Failed",
    cancelled: "Cancelled", expired: "Expired", frames: (n) => `${n} frames`, frames_one: "1 frame", until: (d) => `kept until ${d}`,
    offline: "The server cannot be reached. We keep trying.", upload_failed: "The upload did not get through. Try again.",
  },
  "pt-BR": {
    pitch: "Envie um vídeo e receba os quadros em um ZIP.", email: "E-mail", password: "Senha (ao menos 10 caracteres)",
    login: "Entrar", register: "Criar conta", logout: "Sair",
    drop: "Solte vídeos aqui ou escolha-os", drop_hint: "MP4, MOV, MKV, WebM, AVI, MPEG-TS e outros",
    mode: "Quadros", by_interval: "Um a cada … segundos", by_fps: "Tantos por segundo", by_count: "Tantos, igualmente espaçados",
    by_timestamps: "Nos instantes que eu informar", by_every_nth: "Uma a cada … imagens", by_keyframes: "Os quadros-chave", by_scenes: "Um para cada cena",
    interval: "Segundos de um quadro ao próximo", fps: "Quadros por segundo", count: "Quantos quadros", every_nth: "Imagens de um quadro ao próximo",
    timestamps: "Segundos, separados por espaços", threshold: "Quanto deve mudar, de 0 a 1",
    format: "Formato", width: "Largura em pixels (vazio: a do vídeo)", dedupe: "Omitir quadros quase iguais ao anterior",
    sprite: "Incluir folhas de miniaturas para players (sprites e WebVTT)", your_videos: "Seus vídeos", empty: "Nada aqui ainda.", more: "Mostrar mais",
    download: "Baixar os quadros", cancel: "Cancelar", delete: "Apagar", uploading: "Enviando",
    awaiting_upload: "Aguardando o envio", queued: "Na fila", processing: "Processando", completed: "Pronto", failed: "Falhou",
    cancelled: "Cancelado", expired: "Expirado", frames: (n) => `${n} quadros`, frames_one: "1 quadro", until: (d) => `guardado até ${d}`,
    offline: "Não é possível falar com o servidor. Continuamos tentando.", upload_failed: "O envio não chegou. Tente de novo.",
  },
};

const $ = (id) => document.getElementById(id);
// The refresh token is in a cookie that no script can read; the access token is kept
// nowhere. That there may be a session is remembered for the next visit.
let token = null;
const remembered = () => localStorage.getItem("session") !== null;
let language = localStorage.getItem("language") ?? (navigator.language.startsWith("pt") ? "pt-BR" : "en");
const t = (key) => texts[language][key];

class Problem extends Error {
  constructor(body) {
    const parts = (body.errors ?? []).map((e) => `${e.location?.split(".").pop() ?? ""} ${e.message}`.trim());
    super([body.detail, ...parts].join(" · "));
    this.code = body.code;
  }
}

// --- the API

async function send(method, path, body, bearer) {
  const headers = { "Accept-Language": language };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Problem(answer ?? { detail: response.statusText });
  return answer;
}

// renew gets a new access token for the cookie, unless another call did so since.
// The lock keeps tabs apart: a refresh token that comes twice ends the session.
function renew(spent) {
  return navigator.locks.request("renew", async () => {
    if (token !== spent) return;
    try {
      token = (await send("POST", "/auth/refresh", {})).access_token;
    } catch (problem) {
      if (["session_revoked", "cross_site"].includes(problem.code)) leave();
      throw problem;
    }
  });
}

async function call(method, path, body) {
  if (token === null) await renew(null);
  const used = token;
  try {
    return await send(method, path, body, used);
  } catch (problem) {
    if (problem.code !== "unauthorized") throw problem;
  }
  await renew(used);
  return send(method, path, body, token);
}

// --- uploads

function put(method, url, body, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.upload.onprogress = (e) => progress(e.loaded);
    request.onload = () => (request.status < 300 ? resolve(request) : reject(new Error(t("upload_failed"))));
    request.onerror = () => reject(new Error(t("upload_failed")));
    request.send(body);
  });
}

// What the form asks for; fields of other modes are disabled, and so left out.
function extraction() {
  const form = new FormData($("upload"));
  const wanted = { mode: form.get("mode"), format: form.get("format") };
  for (const name of ["interval", "fps", "count", "every_nth", "threshold", "width"]) {
    if (form.get(name)) wanted[name] = Number(form.get(name));
  }
  if (form.has("timestamps")) {
    wanted.timestamps = form.get("timestamps").trim().split(/\s+/).map((n) => Number(n.replace(",", "."))).sort((a, b) => a - b);
  }
  for (const name of ["dedupe", "sprite"]) if (form.has(name)) wanted[name] = true;
  return wanted;
}

function showMode() {
  for (const label of document.querySelectorAll("[data-mode]")) {
    label.hidden = label.dataset.mode !== $("mode").value;
    label.querySelector("input").disabled = label.hidden;
  }
}

function uploadAll(files) {
  if ($("upload").reportValidity()) [...files].forEach(upload);
}

async function upload(file) {
  const card = cardOf({ id: crypto.randomUUID(), filename: file.name }, true);
  card.dataset.uploading = "yes"; // what the list says of it is not news
  const show = (sent) => paint(card, { filename: file.name, status: "uploading", progress: sent / Math.max(1, file.size) });
  show(0);
  try {
    const created = await call("POST", "/videos", {
      filename: file.name, size: file.size, content_type: file.type || "application/octet-stream",
      extraction: extraction(),
    });
    const { video, upload: how } = created;
    for (const other of cardsOf(video.id)) other.remove(); // the list was read before the answer came
    card.dataset.id = video.id;
    let parts;
    if (how.method === "POST") {
      const form = new FormData();
      for (const [name, value] of Object.entries(how.fields)) form.append(name, value);
      form.append("file", file);
      await put("POST", how.url, form, show);
    } else {
      parts = await uploadParts(file, video.id, how.part_size, show);
    }
    paint(card, await call("POST", `/videos/${video.id}/complete`, parts ? { parts } : {}));
    delete card.dataset.uploading;
  } catch (error) {
    card.remove();
    complain(error);
  }
  refresh();
}

async function uploadParts(file, id, partSize, show) {
  const parts = [];
  for (let begin = 0; begin < file.size; begin += partSize) {
    const number = parts.length + 1;
    const signed = await call("POST", `/videos/${id}/parts`, { part_numbers: [number] });
    const answer = await put("PUT", signed.parts[0].url, file.slice(begin, begin + partSize), (sent) => show(begin + sent));
    parts.push({ part_number: number, etag: answer.getResponseHeader("ETag") });
  }
  return parts;
}

// --- the list

let cursor; // of the next page: undefined before the first, null after the last
const gone = new Set(); // deleted videos, which the list may still have for a moment
let timer = 0;
let pause = 1000;

function cardsOf(id) {
  return $("list").querySelectorAll(`[data-id="${CSS.escape(id)}"]`);
}

function cardOf(video, first) {
  let [card] = cardsOf(video.id);
  if (card) return card;
  card = $("video").content.firstElementChild.cloneNode(true);
  card.dataset.id = video.id;
  translate(card);
  card.querySelector(".download").onclick = () => call("GET", `/videos/${card.dataset.id}/download`)
    .then(({ url }) => location.assign(url)).catch(complain);
  card.querySelector(".cancel").onclick = () => call("POST", `/videos/${card.dataset.id}/cancel`).then(refresh).catch(complain);
  card.querySelector(".delete").onclick = () => call("DELETE", `/videos/${card.dataset.id}`)
    .then(() => { gone.add(card.dataset.id); card.remove(); refresh(); }).catch(complain);
  first ? $("list").prepend(card) : $("list").append(card);
  return card;
}

function paint(card, video) {
  const part = (name) => card.querySelector(name);
  const running = ["uploading", "queued", "processing"].includes(video.status);
  part(".name").textContent = video.filename;
  part(".status").textContent = t(video.status);
  part("progress").hidden = !running;
  if (video.status === "queued") part("progress").removeAttribute("value");
  else part("progress").value = video.progress ?? 0;
  part("progress").setAttribute("aria-label", t(video.status));
  part(".detail").textContent = detail(video);
  part(".download").hidden = video.status !== "completed";
  part(".cancel").hidden = !["queued", "processing"].includes(video.status);
  part(".delete").hidden = running;
}

function detail(video) {
  if (video.error) return video.error.message;
  const parts = (video.warnings ?? []).map((w) => w.message);
  if (video.archive) {
    const n = video.archive.frames;
    parts.unshift(n === 1 ? t("frames_one") : t("frames")(n.toLocaleString(language)),
      `${(video.archive.size / 1e6).toLocaleString(language, { maximumFractionDigits: 1 })} MB`,
      t("until")(new Date(video.archive.expires_at).toLocaleDateString(language)));
  }
  return parts.join(" · ");
}

async function page(from) {
  const { videos, next_cursor } = await call("GET", `/videos?limit=20${from ? `&cursor=${encodeURIComponent(from)}` : ""}`);
  return { videos: videos.filter((video) => !gone.has(video.id)), next_cursor };
}

async function refresh() {
  clearTimeout(timer);
  if (!remembered() || document.hidden) return;
  try {
    const { videos, next_cursor } = await page();
    // A card that was there stays where it is; new ones go to the top, in order.
    for (const video of [...videos].reverse()) {
      const card = cardOf(video, true);
      if (!card.dataset.uploading) paint(card, video);
    }
    if (cursor === undefined) cursor = next_cursor ?? null;
    $("more").hidden = !cursor;
    $("empty").hidden = $("list").childElementCount > 0;
    const running = videos.some((v) => ["queued", "processing"].includes(v.status));
    pause = running ? 1000 : Math.min(pause * 1.5, 30000);
    $("notice").hidden = $("notice").dataset.kind === "offline" || $("notice").hidden;
  } catch (error) {
    if (error instanceof Problem) complain(error);
    else complain(new Error(t("offline")), "offline");
    pause = Math.min(pause * 2, 30000);
  }
  timer = setTimeout(refresh, pause);
}

async function more() {
  try {
    const { videos, next_cursor } = await page(cursor);
    for (const video of videos) paint(cardOf(video, false), video);
    cursor = next_cursor ?? null;
    $("more").hidden = !cursor;
  } catch (error) {
    complain(error);
  }
}

// --- the rest

function complain(error, kind = "error") {
  $("notice").textContent = error.message;
  $("notice").dataset.kind = kind;
  $("notice").hidden = false;
}

function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
}

async function enter() {
  const inside = remembered();
  $("account").hidden = inside;
  $("videos").hidden = !inside;
  $("logout").hidden = !inside;
  $("who").textContent = "";
  if (!inside) return;
  try {
    $("who").textContent = (await call("GET", "/auth/me")).email;
  } catch (error) {
    complain(error);
  }
  refresh();
}

function leave() {
  token = null;
  localStorage.removeItem("session");
  cursor = undefined;
  $("list").replaceChildren();
  enter();
}

$("login").onsubmit = async (e) => {
  e.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(e.target));
  $("notice").hidden = true;
  try {
    if (e.submitter?.name === "register") await send("POST", "/auth/register", { email, password, locale: language });
    token = (await send("POST", "/auth/login", { email, password, cookie: true })).access_token;
    localStorage.setItem("session", "yes");
    e.target.reset();
    enter();
  } catch (error) {
    complain(error);
  }
};
$("logout").onclick = () => call("POST", "/auth/logout").catch(() => {}).finally(leave);
$("file").onchange = (e) => { uploadAll(e.target.files); e.target.value = ""; };
$("upload").onsubmit = (e) => e.preventDefault(); // Enter in a field
$("mode").onchange = showMode;
$("more").onclick = more;
$("drop").ondragover = (e) => { e.preventDefault(); $("drop").classList.add("over"); };
$("drop").ondragleave = () => $("drop").classList.remove("over");
$("drop").ondrop = (e) => {
  e.preventDefault();
  $("drop").classList.remove("over");
  uploadAll(e.dataTransfer.files);
};
$("language").onchange = (e) => {
  language = e.target.value;
  localStorage.setItem("language", language);
  speak();
  refresh();
};
document.onvisibilitychange = () => { pause = 1000; refresh(); };

function speak() {
  document.documentElement.lang = language;
  $("language").value = language;
  translate(document);
}

speak();
showMode();
enter();
