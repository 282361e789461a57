"use strict";

// Opens the checkout, and looks again until the shop knows what became of the order.
const REFRESH_MS = 2000;
const note = document.getElementById("note");
let checkout = null;

function openCheckout() {
  const pay = document.querySelector("[data-pay]");
  if (!pay || !window.PaymentGateway) return false;
  checkout ??= new PaymentGateway({
    key: pay.dataset.key,
    orderId: pay.dataset.orderId,
    // What a browser says is no proof. The shop's server hears it from the gateway's.
    onSuccess: () => say("The payment went through. Waiting for the gateway to tell us …"),
    onFailure: (failure) => say(failure.message),
    onClose: refresh,
  });
  checkout.open();
  return true;
}

function say(text) {
  if (isUnpaid()) note.textContent = text;
  refresh();
}

function isUnpaid() {
  return document.getElementById("order").dataset.state === "unpaid";
}

async function refresh() {
  if (document.hidden || !isUnpaid()) return;
  const order = document.getElementById("order");
  try {
    const answer = await fetch(order.dataset.url);
    if (!answer.ok) return;
    const html = await answer.text();
    if (html.includes('data-state="unpaid"')) return;
    order.outerHTML = html;
    note.textContent = "";
  } catch {
    // The shop is away; the next round finds it again.
  }
}

async function watch() {
  await refresh();
  if (isUnpaid()) setTimeout(watch, REFRESH_MS);
}

document.addEventListener("visibilitychange", refresh);
document.addEventListener("click", (event) => {
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  // Without the SDK the link leads to the checkout's own page.
  if (isPlain && event.target.closest("[data-pay]") && openCheckout()) event.preventDefault();
});
addEventListener("load", () => {
  if (location.hash !== "#pay") return;
  history.replaceState(null, "", location.pathname);
  openCheckout();
});
watch();
