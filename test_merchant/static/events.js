"use strict";

// Asks for the list every two seconds while somebody is looking.
const REFRESH_MS = 2000;
let shown = "";

async function refresh() {
  if (document.hidden) return;
  const list = document.getElementById("events");
  try {
    const answer = await fetch(list.dataset.url, { cache: "no-cache" });
    if (!answer.ok) return;
    const html = await answer.text();
    // Only what changed is put in, so that a selection survives a quiet round.
    if (html !== shown) list.outerHTML = html;
    shown = html;
  } catch {
    // The shop is away; the next round finds it again.
  }
}

async function watch() {
  await refresh();
  setTimeout(watch, REFRESH_MS);
}

document.addEventListener("visibilitychange", refresh);
watch();
