// The half of the SDK that lives inside its frame.
//
// The page that opened the frame says who it is: `open_checkout` with its key and a nonce. It is believed
// when it is our parent window, when its origin is one that the order's merchant allows (the server wrote
// them into this page), and when the key is one of that merchant's. From then on everything is said to
// that one origin, with that nonce, and to nobody else.
(function () {
  "use strict";
  if (window.parent === window) return;

  let peer = null; // {origin, nonce, hello}
  let isTrusted = false;
  const told = new Set();

  const main = () => document.getElementById("checkout");

  function isAllowed(origin) {
    return JSON.parse(main().dataset.mayEmbed || "[]").some((allowed) =>
      allowed.endsWith(":*")
        ? origin === allowed.slice(0, -2) || (origin.startsWith(allowed.slice(0, -1)) && /^\d+$/.test(origin.slice(allowed.length - 1)))
        : origin === allowed
    );
  }

  function tell(type, data) {
    window.parent.postMessage({ type, data, nonce: peer.nonce }, peer.origin);
  }

  window.addEventListener("message", (event) => {
    const hello = event.data;
    if (event.source !== window.parent || !hello || hello.type !== "open_checkout") return;
    if (peer || !isAllowed(event.origin)) return;
    if (typeof hello.key !== "string" || typeof hello.nonce !== "string" || hello.nonce.length < 16) return;
    peer = { origin: event.origin, nonce: hello.nonce, hello };
    shakeHands(hello.key);
  });

  async function shakeHands(key) {
    if (main().dataset.state === "problem") {
      isTrusted = true;
      return report();
    }
    const body = new URLSearchParams({ order_id: main().dataset.orderId, key, embedded: "true" });
    const answer = await fetch("/checkout/handshake", { method: "POST", body })
      .then((response) => (response.ok ? response.json() : null))
      .catch(() => null);
    if (!answer) {
      setTimeout(shakeHands, 2000, key);
    } else if (answer.is_known) {
      isTrusted = true;
      tell("ready", {});
      furnish();
      report();
    } else {
      refuse();
    }
  }

  /** A key of somebody else: nothing can be paid here, and the shop hears why. */
  function refuse() {
    const words = JSON.parse(main().dataset.script).words;
    main().dataset.state = "problem";
    for (const part of main().querySelectorAll("[data-section]")) part.hidden = part.dataset.section !== "error";
    main().querySelector("[data-test-id='error-message']").textContent = words.wrong_shop;
    for (const each of main().querySelectorAll("#nothing-taken, [data-act]")) each.hidden = true;
    tell("payment_failed", { paymentId: null, code: "AUTHENTICATION_ERROR", message: "The key is not one of this order's merchant" });
  }

  /** What the shop's page brought along: the order's token, its colour, and what it knows of the payer. */
  function furnish() {
    const { checkoutToken, prefill, theme } = peer.hello;
    if (typeof checkoutToken === "string") {
      for (const form of main().querySelectorAll("form")) setHidden(form, "checkout_token", checkoutToken);
    }
    if (theme && /^#[0-9a-f]{6}$/i.test(theme.color)) paint(theme.color);
    if (prefill && main().dataset.state === "choosing") fill(prefill);
  }

  function setHidden(form, name, value) {
    let input = form.querySelector(`input[name=${name}]`);
    if (!input) {
      input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      form.append(input);
    }
    input.value = value;
  }

  /** The shop's colour on the buttons, with black or white on it, whichever is read more easily (WCAG 2.2). */
  function paint(color) {
    const [red, green, blue] = [1, 3, 5]
      .map((at) => parseInt(color.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    const isLight = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
    const style = document.documentElement.style;
    style.setProperty("--brand", color);
    style.setProperty("--on-brand", isLight ? "#000000" : "#ffffff");
  }

  function fill(prefill) {
    for (const [id, text] of [["vpa", prefill.vpa], ["holder_name", prefill.name]]) {
      const input = document.getElementById(id);
      if (typeof text === "string" && input && !input.value) input.value = text.slice(0, 255);
    }
    const button = ["upi", "card"].includes(prefill.method) && main().querySelector(`[data-method=${prefill.method}]`);
    if (button && button.getAttribute("aria-expanded") === "false") button.click();
  }

  /** Say once how each payment ended. */
  function report() {
    const { state, orderId, paymentId, status, code, message } = main().dataset;
    const once = `${state}:${paymentId || ""}`;
    if (!isTrusted || told.has(once)) return;
    if (state === "success") {
      tell("payment_success", { paymentId, orderId, status });
    } else if (state === "error" || state === "paid" || state === "problem") {
      tell("payment_failed", { paymentId: paymentId || null, code, message });
    } else {
      return;
    }
    told.add(once);
  }

  document.addEventListener("checkout:state", () => {
    if (!isTrusted) return;
    furnish();
    report();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && peer) tell("close_modal", {});
  });
})();
