"use strict";

// What HTML alone cannot do. Everything here is an extra: each page works without it.

// Live fragments rest while nobody looks, and while somebody writes in them.
document.addEventListener("htmx:before:request", (event) => {
  const source = event.detail.ctx.sourceElement;
  if (!source.matches("[data-live]")) return;
  const busy = source.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  if (document.hidden || busy) event.preventDefault();
});

// A menu that was opened on a phone closes when it has led somewhere.
document.addEventListener("htmx:after:history:update", () => {
  const menu = document.getElementById("menu");
  if (menu) menu.checked = false;
});

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) copyText(copy);
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) revealSecret(reveal);
});

async function copyText(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.dataset.secret ?? source.value ?? source.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    say("Copied");
  } catch {
    say("This browser does not let pages copy; select the text instead");
  }
}

function revealSecret(button) {
  const field = document.getElementById(button.dataset.reveal);
  const isShown = button.getAttribute("aria-pressed") === "true";
  field.textContent = isShown ? "•".repeat(20) : field.dataset.secret;
  button.setAttribute("aria-pressed", String(!isShown));
}

// One polite sentence for screen readers and a short-lived word for everybody else.
function say(text) {
  const spoken = document.getElementById("spoken");
  spoken.textContent = text;
  spoken.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => spoken.classList.remove("shown"), 2000);
}

// A form that asks first, by its own words.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (!question) return;
  if (!window.confirm(question)) {
    stop(event);
    return;
  }
  // Where no script has asked, the server does.
  const answer = event.target.elements.namedItem("confirmed");
  if (answer) answer.value = "yes";
}, true);

// A double click is one act, though the first answer may be there before the second click.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest('form[method="post"] button, [hx-post]')) stop(event);
}, true);

// And a form that was sent waits for its answer before it is sent again, but not for ever.
const sent = new WeakSet();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (sent.has(form)) stop(event);
  sent.add(form);
  setTimeout(() => sent.delete(form), 10_000);
}, true);
document.addEventListener("htmx:finally:request", (event) => sent.delete(event.detail.ctx.sourceElement));
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) sent.delete(form);
});

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

// A filter is applied as soon as it is chosen.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

// The exact moment in the reader's own zone, on hover.
document.addEventListener("mouseover", (event) => {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.dataset.local) return;
  time.dataset.local = "yes";
  const local = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  time.title = `${local} (${time.dateTime.replace("T", " ").replace("Z", " UTC")})`;
});

// Waits that are counted down: <time data-until="…">.
function countDown() {
  for (const wait of document.querySelectorAll("[data-until]")) {
    const seconds = Math.round((new Date(wait.dataset.until) - Date.now()) / 1000);
    wait.textContent = seconds > 0 ? `in ${inWords(seconds)}` : "now";
  }
}
countDown();
setInterval(countDown, 1000);
document.addEventListener("htmx:after:swap", countDown);

function inWords(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// Webhooks, and whatever else is live.

// An answer to a poll from before the page itself has moved on shows what is no longer so.
let moves = 0;
document.addEventListener("htmx:before:request", (event) => {
  event.detail.ctx.askedAt = moves;
});
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  const isPoll = ctx.sourceElement?.matches?.("[data-live]");
  if (!isPoll) moves += 1;
  else if (ctx.askedAt !== moves) event.preventDefault();
});

// A choice once made by hand outlasts a morph: filters show what the new page is filtered by, and a
// page at another address begins with forms as they were sent.
let path = location.pathname;
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.sourceElement?.matches?.("[data-live]")) return;
  for (const option of document.querySelectorAll("select[data-submit-on-change] option")) {
    option.selected = option.defaultSelected;
  }
  if (path !== location.pathname) for (const form of document.forms) form.reset();
  path = location.pathname;
});

// What a reader has folded in or out stays so, whatever the server last sent.
htmx.registerExtension("folding", {
  htmx_before_morph_attr: (element, { attrName }) => !(attrName === "open" && element.matches("details[id]")),
});

// Filters of lists: what was left empty does not crowd the address.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("[data-tidy]")) return;
  for (const [name, value] of [...event.formData]) {
    if (value === "") event.formData.delete(name);
  }
});

// What was typed into a filter and never sent is gone with the page it was typed on.
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.sourceElement?.matches?.("[data-live]")) return;
  for (const input of document.querySelectorAll("form[data-tidy] input")) {
    if (input !== document.activeElement) input.value = input.defaultValue;
  }
});

// Settings: a form whose act has succeeded shows what the server has now. Morphing would keep what
// was typed, a password included.
document.addEventListener("htmx:after:swap", (event) => {
  const { sourceElement, response } = event.detail.ctx;
  if (sourceElement?.matches?.("form[data-begin-anew]") && response?.raw?.ok) sourceElement.reset();
});
