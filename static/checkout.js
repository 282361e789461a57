// The payer's page while it is open: forms without reloads, help while typing, and the wait for the bank.
// Everything here is a convenience. The server draws every state, and without this file the same
// forms and links do the same things.
(function () {
  "use strict";

  const POLL_MS = 2000;
  const SLOW_AFTER = 30; // polls
  const GIVE_UP_AFTER = 30; // tries to send a payment

  let main, words, networks, vpaPattern, timer, ticker, busy = false, polls = 0;

  const $ = (id) => document.getElementById(id);
  const digitsOf = (text) => text.replace(/\D/g, "");

  // ---- One drawing of the page, and the next

  function adopt() {
    main = $("checkout");
    const script = JSON.parse(main.dataset.script);
    words = script.words;
    networks = Object.entries(script.networks).map(([name, start]) => [name, new RegExp(`^(?:${start})`)]);
    vpaPattern = new RegExp(`^(?:${script.vpa})$`);
    clearTimeout(timer);
    clearInterval(ticker);
    busy = false;
    polls = 0;
    for (const form of main.querySelectorAll("form[data-pay]")) form.noValidate = true;
    if (main.dataset.state === "processing") {
      remember("payment", main.dataset.paymentId);
      timer = setTimeout(poll, POLL_MS);
      ticker = setInterval(countDown, 1000);
      countDown();
    } else if (main.dataset.paymentId) {
      remember("payment", null);
      remember("key", null);
    }
    const key = remembered("key");
    if (key) for (const input of main.querySelectorAll("[data-pay] [name=key]")) input.value = key;
    document.dispatchEvent(new CustomEvent("checkout:state"));
  }

  /** Put the page that the server drew in the place of this one; the address follows, history does not grow. */
  function swap(html, url) {
    const drawn = new DOMParser().parseFromString(html, "text/html");
    const next = drawn.getElementById("checkout");
    if (!next) return location.assign(url);
    document.title = drawn.title;
    next.style.minHeight = next.dataset.state === "processing" ? main.style.minHeight : "";
    main.replaceWith(document.adoptNode(next));
    if (url) history.replaceState(null, "", url);
    adopt();
    const heading = [...main.querySelectorAll("[tabindex='-1']")].find((each) => !each.closest("[hidden]"));
    if (heading) heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  function show(state) {
    main.dataset.state = state;
    for (const part of main.querySelectorAll("[data-section]")) part.hidden = part.dataset.section !== state;
  }

  function say(text) {
    main.querySelector("[data-test-id='processing-message']").textContent = text;
  }

  function offline(isOffline) {
    if ($("offline")) $("offline").hidden = !isOffline;
  }

  async function load(url, mayBeGone) {
    try {
      const response = await fetch(url, { cache: "no-store" });
      if (mayBeGone && !response.ok) return remember("payment", null);
      offline(false);
      swap(await response.text(), url);
    } catch {
      offline(true);
      timer = setTimeout(load, POLL_MS, url, mayBeGone);
    }
  }

  // ---- A reload in the middle finds its payment again

  // By its id once there is one; before that by the key of the form that was sent, which makes no second one.
  function remember(what, value) {
    const name = `checkout-${what}:${main.dataset.orderId}`;
    try {
      if (value) sessionStorage.setItem(name, value);
      else sessionStorage.removeItem(name);
    } catch {
      // A browser that keeps nothing in frames: the address knows the payment all the same.
    }
  }

  function remembered(what) {
    try {
      return sessionStorage.getItem(`checkout-${what}:${main.dataset.orderId}`);
    } catch {
      return null;
    }
  }

  // ---- Paying

  async function pay(form) {
    if (busy || !isGood(form)) return;
    busy = true;
    const body = new URLSearchParams(new FormData(form));
    remember("key", body.get("key"));
    main.style.minHeight = `${main.offsetHeight}px`; // nothing jumps under the payer's finger
    show("processing");
    say(words.sending);
    // The form's key makes it one payment, however often this has to be sent.
    for (let tries = 1; ; tries++) {
      const response = await fetch(form.getAttribute("action"), { method: "POST", body }).catch(() => null);
      const waits = !response || [409, 429, 503].includes(response.status);
      if (!waits) {
        offline(false);
        return settle(form, response, await response.text());
      }
      if (tries === GIVE_UP_AFTER) break;
      offline(true);
      const wait_s = response && Number(response.headers.get("Retry-After"));
      await new Promise((wake) => setTimeout(wake, Math.max(POLL_MS, Math.min(wait_s || 0, 60) * 1000)));
    }
    busy = false;
    offline(false);
    show("choosing");
    complain(words.given_up);
  }

  /** After a refusal of what was typed the form stays as it is, with the reasons in it. */
  function settle(form, response, html) {
    const drawn = new DOMParser().parseFromString(html, "text/html").getElementById("checkout");
    if (response.status !== 400 || !drawn || drawn.dataset.state !== "choosing") {
      return swap(html, response.redirected ? response.url : null);
    }
    busy = false;
    show("choosing");
    complain(drawn.dataset.problem);
    for (const input of form.querySelectorAll("input[aria-describedby]")) {
      note(input, drawn.querySelector(`#${input.id}-note`).textContent);
    }
    focusFirstBad(form);
  }

  function complain(text) {
    $("form-note").textContent = text || "";
    $("form-note").hidden = !text;
  }

  async function act(form, button) {
    if (busy) return;
    busy = true;
    if (form.matches("[data-forget]")) {
      // Should both be paid in the end, the order is paid once and the other goes back by itself.
      remember("payment", null);
      remember("key", null);
    }
    const data = new FormData(form);
    if (button && button.name) data.append(button.name, button.value);
    const body = new URLSearchParams(data);
    // As attributes: an input named `method` stands in front of the form's own property.
    const action = form.getAttribute("action");
    if (form.getAttribute("method") === "get") return load(new URL(`${action}?${body}`, location.href).href);
    try {
      const response = await fetch(action, { method: "POST", body });
      swap(await response.text(), response.redirected ? response.url : null);
    } catch {
      busy = false;
      offline(true);
    }
  }

  // ---- Waiting

  async function poll() {
    clearTimeout(timer);
    const id = main.dataset.paymentId;
    try {
      const response = await fetch(`/api/v1/payments/${id}/public`, { cache: "no-store" });
      if (main.dataset.paymentId !== id) return;
      if (response.ok) {
        offline(false);
        if ((await response.json()).status !== "pending") return load(location.href);
        if (++polls === SLOW_AFTER && !main.querySelector("[data-until]")) say(words.slow);
      }
    } catch {
      offline(true);
    }
    if (main.dataset.paymentId === id && main.dataset.state === "processing") timer = setTimeout(poll, POLL_MS);
  }

  function countDown() {
    const until = main.querySelector("[data-until]");
    if (!until) return;
    const left_s = Math.max(0, Math.round((Date.parse(until.dataset.until) - Date.now()) / 1000));
    const text = `${Math.floor(left_s / 60)}:${String(left_s % 60).padStart(2, "0")}`;
    until.textContent = words.time_left.replace("{time}", text);
  }

  // ---- Typing

  function choose(button) {
    for (const each of main.querySelectorAll("[data-method]")) {
      const isChosen = each === button;
      each.setAttribute("aria-expanded", String(isChosen));
      $(`${each.dataset.method}-form`).hidden = !isChosen;
    }
    complain("");
    if (!matchMedia("(pointer: coarse)").matches) {
      $(`${button.dataset.method}-form`).querySelector("input:not([type=hidden])").focus();
    }
  }

  function networkOf(number) {
    const found = networks.find(([, start]) => start.test(number));
    return found ? found[0] : "";
  }

  /** Blocks of four, of American Express four, six and five; the caret stays behind its digit. */
  function formatNumber(input) {
    const before = digitsOf(input.value.slice(0, input.selectionStart)).length;
    const digits = digitsOf(input.value).slice(0, 19);
    const network = networkOf(digits);
    const blocks = network === "amex" ? /^(\d{1,4})(\d{1,6})?(\d{1,5})?/ : /(\d{1,4})/g;
    const parts = network === "amex" ? (digits.match(blocks) || []).slice(1) : digits.match(blocks) || [];
    write(input, parts.filter(Boolean).join(" "), before);
    $("network").textContent = { visa: "VISA", mastercard: "MASTERCARD", amex: "AMEX", rupay: "RUPAY" }[network] || "";
    $("cvv").maxLength = network === "amex" ? 4 : 3;
    if ($("cvv").value.length > $("cvv").maxLength) $("cvv").value = $("cvv").value.slice(0, 3);
    const isWhole = digits.length >= (network === "amex" ? 15 : 16);
    if (isWhole && !passesLuhn(digits)) note(input, words.number_wrong);
  }

  function formatExpiry(input, isDeleting) {
    let digits = digitsOf(input.value);
    if (/^[2-9]/.test(digits)) digits = `0${digits}`;
    // A year of four digits becomes two once it is all there.
    const isLong = digits.slice(2, 4) === "20";
    if (isLong && digits.length >= 6) digits = digits.slice(0, 2) + digits.slice(4, 6);
    digits = digits.slice(0, isLong ? 5 : 4);
    const month = digits.slice(0, 2);
    const text = digits.length > 2 || (digits.length === 2 && !isDeleting) ? `${month}/${digits.slice(2)}` : digits;
    write(input, text, digitsOf(text).length);
    if (digits.length === 4) note(input, complaint(input));
  }

  /** Set the text, and the caret behind as many digits as stood before it. */
  function write(input, text, digitsBefore) {
    if (input.value === text) return;
    input.value = text;
    let at = 0;
    for (let seen = 0; at < text.length && seen < digitsBefore; at++) if (/\d/.test(text[at])) seen++;
    if (digitsBefore >= digitsOf(text).length) at = text.length;
    if (document.activeElement === input) input.setSelectionRange(at, at);
  }

  // The check digit of ISO/IEC 7812-1, annex B. The server decides; this only says so earlier.
  function passesLuhn(number) {
    let sum = 0;
    [...number].reverse().forEach((digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      sum += value > 9 ? value - 9 : value;
    });
    return sum % 10 === 0;
  }

  /** What is wrong with an input, or nothing. */
  function complaint(input) {
    const text = input.value.trim();
    const network = networkOf(digitsOf($("number").value));
    switch (input.id) {
      case "vpa":
        return vpaPattern.test(text) ? "" : words.vpa_wrong;
      case "number":
        return /^[\d -]+$/.test(text) && digitsOf(text).length >= 13 && passesLuhn(digitsOf(text)) ? "" : words.number_wrong;
      case "expiry": {
        const found = text.match(/^(0[1-9]|1[0-2])\/(\d\d)$/);
        if (!found) return words.expiry_wrong;
        const today = new Date();
        const isOver = 2000 + Number(found[2]) < today.getFullYear()
          || (2000 + Number(found[2]) === today.getFullYear() && Number(found[1]) < today.getMonth() + 1);
        return isOver ? words.card_expired : "";
      }
      case "cvv":
        if (network === "amex") return /^\d{4}$/.test(text) ? "" : words.cvv_wrong_amex;
        return /^\d{3}$/.test(text) ? "" : words.cvv_wrong;
      case "holder_name":
        return text ? "" : words.name_wrong;
      default:
        return "";
    }
  }

  function note(input, text) {
    $(`${input.id}-note`).textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  function isGood(form) {
    for (const input of form.querySelectorAll("input[aria-describedby]")) note(input, complaint(input));
    return !focusFirstBad(form);
  }

  function focusFirstBad(form) {
    const bad = form.querySelector("[aria-invalid]");
    if (bad) bad.focus();
    return bad;
  }

  // ---- Ears

  document.addEventListener("click", (event) => {
    // The second half of a double click may land on a link that has moved under the pointer.
    if (busy && event.target.closest("a")) event.preventDefault();
    const button = event.target.closest("[data-method]");
    if (!button) return;
    event.preventDefault();
    choose(button);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-pay], [data-act]")) return;
    event.preventDefault();
    if (form.matches("[data-pay]")) pay(form);
    else act(form, event.submitter);
  });

  document.addEventListener("input", (event) => {
    const input = event.target;
    if (!input.matches("input[aria-describedby]")) return;
    // What was wrong may be right now; what is unfinished is not wrong yet.
    if (input.hasAttribute("aria-invalid") && !complaint(input)) note(input, "");
    if (input.id === "number") formatNumber(input);
    if (input.id === "expiry") formatExpiry(input, /^delete/.test(event.inputType || ""));
    if (input.id === "cvv") write(input, digitsOf(input.value), input.value.length);
    if (input.id === "number" && input.hasAttribute("aria-invalid") && !complaint(input)) note(input, "");
  });

  document.addEventListener("focusout", (event) => {
    const input = event.target;
    if (input.matches && input.matches("input[aria-describedby]") && input.value.trim()) note(input, complaint(input));
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && main.dataset.state === "processing" && main.dataset.paymentId) poll();
  });
  addEventListener("online", () => {
    if (main.dataset.state === "processing" && main.dataset.paymentId) poll();
  });
  // Back from another page: what the browser kept may be old.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  adopt();
  const left = main.dataset.state === "choosing" && remembered("payment");
  if (left) {
    const url = new URL(location.href);
    url.searchParams.set("payment_id", left);
    load(url.href, true);
  }
})();
