/*! Payment gateway checkout. As a script: window.PaymentGateway; as a module: CommonJS and AMD. */
(function (root, factory) {
  "use strict";
  // Only a classic script knows where it came from; a bundle says `checkoutUrl` instead.
  var script = typeof document === "object" && document.currentScript;
  var home = /^(.*?)(\/sdk\/[^/]+)?\/checkout\.js([?#].*)?$/.exec((script && script.src) || "");
  var PaymentGateway = factory(home ? home[1] : null);
  if (typeof module === "object" && module.exports) {
    module.exports = PaymentGateway;
    module.exports.PaymentGateway = PaymentGateway;
  } else if (typeof define === "function" && define.amd) {
    define(function () { return PaymentGateway; });
  } else {
    root.PaymentGateway = PaymentGateway;
  }
})(typeof self === "undefined" ? this : self, function (home) {
  "use strict";

  var READY_WITHIN_MS = 30000;
  var LOOK_AT_TICK_MS = 900; // the payer sees that it worked before the modal goes
  var PHONE = "(max-width: 480px), (max-height: 520px)";

  // Styles are set one by one: a page whose Content-Security-Policy forbids style="…" allows that.
  function dress(element, style) {
    Object.keys(style).forEach(function (name) { element.style[name] = style[name]; });
    return element;
  }

  function make(tag, attributes, style) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return dress(element, style || {});
  }

  function nonce() {
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (byte) { return ("0" + byte.toString(16)).slice(-2); }).join("");
  }

  function PaymentGateway(options) {
    if (!(this instanceof PaymentGateway)) return new PaymentGateway(options);
    options = options || {};
    ["key", "orderId"].forEach(function (name) {
      if (typeof options[name] !== "string" || !options[name]) throw new Error("PaymentGateway: " + name + " is required");
    });
    ["onSuccess", "onFailure", "onClose", "onReady"].forEach(function (name) {
      if (options[name] != null && typeof options[name] !== "function") throw new Error("PaymentGateway: " + name + " must be a function");
    });
    var base = String(options.checkoutUrl || home || "").replace(/\/+$/, "");
    if (!/^https?:\/\/./.test(base)) throw new Error("PaymentGateway: checkoutUrl is required where the script is not loaded by a <script src>");
    this._options = options;
    this._base = base;
    this._origin = new URL(base).origin;
    this._open = null;
  }

  PaymentGateway.prototype.open = function () {
    if (this._open) return this._open.promise;
    // One checkout at a time: another one's modal is in the way.
    if (document.getElementById("payment-gateway-modal")) return Promise.resolve({ outcome: "closed" });
    var open = this._open = { nonce: nonce(), timers: [], isReady: false, success: null, failed: null };
    open.promise = new Promise(function (resolve) { open.resolve = resolve; });
    build(this, open);
    return open.promise;
  };

  PaymentGateway.prototype.close = function () {
    var open = this._open;
    if (!open) return;
    // What the frame has reported is not lost to somebody who closes before we do.
    if (open.success) succeed(this, open);
    if (this._open !== open) return;
    this._open = null;
    dismantle(open);
    call(this._options.onClose);
    open.resolve(open.paid ? { outcome: "success", payment: open.paid } : { outcome: "closed" });
  };

  function call(callback, value) {
    if (!callback) return;
    // A merchant's mistake is theirs to see, and no reason to leave the modal half open.
    try { callback(value); } catch (error) { setTimeout(function () { throw error; }); }
  }

  function build(self, open) {
    var modal = open.modal = make("div", {
      id: "payment-gateway-modal", "class": "payment-modal", "data-test-id": "payment-modal",
      role: "dialog", "aria-modal": "true", "aria-label": "Payment"
    }, { position: "fixed", inset: "0", zIndex: "2147483647", margin: "0" });
    var overlay = make("div", { "class": "modal-overlay" }, {
      position: "absolute", inset: "0", display: "flex", alignItems: "center", justifyContent: "center",
      background: "rgba(10, 12, 16, 0.6)"
    });
    var content = make("div", { "class": "modal-content" }, {
      position: "relative", overflow: "hidden", background: "Canvas", colorScheme: "light dark", boxSizing: "border-box"
    });
    var frame = open.frame = make("iframe", {
      "data-test-id": "payment-iframe", title: "Payment", referrerpolicy: "strict-origin-when-cross-origin"
    }, { display: "block", width: "100%", height: "100%", border: "0", colorScheme: "light dark" });
    var button = make("button", {
      type: "button", "class": "close-button", "data-test-id": "close-modal-button", "aria-label": "Close"
    }, {
      position: "absolute", top: "12px", right: "12px", width: "40px", height: "40px", padding: "0", border: "0",
      borderRadius: "50%", background: "rgba(120, 128, 140, 0.18)", color: "CanvasText", cursor: "pointer",
      font: "24px/40px system-ui, sans-serif"
    });
    button.textContent = "\u00d7";

    var narrow = matchMedia(PHONE);
    function size() {
      dress(content, narrow.matches
        ? { width: "100%", height: "100%", borderRadius: "0", boxShadow: "none" }
        : { width: "440px", height: "min(680px, 92vh)", borderRadius: "16px", boxShadow: "0 24px 64px rgba(0, 0, 0, 0.35)" });
    }
    size();

    // Whoever tabs out at one end comes in at the other.
    var first = make("div", { tabindex: "0" });
    var last = make("div", { tabindex: "0" });

    function onMessage(event) { hear(self, open, event); }
    function onKey(event) {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      self.close();
    }
    function onLoad() {
      var options = self._options;
      frame.contentWindow.postMessage({
        type: "open_checkout", key: options.key, nonce: open.nonce, checkoutToken: options.checkoutToken,
        prefill: plain(options.prefill), theme: plain(options.theme)
      }, self._origin);
    }

    first.addEventListener("focus", function () { button.focus(); });
    last.addEventListener("focus", function () { frame.focus(); });
    button.addEventListener("click", function () { self.close(); });
    overlay.addEventListener("click", function (event) { if (event.target === overlay) self.close(); });
    frame.addEventListener("load", onLoad);
    window.addEventListener("message", onMessage);
    document.addEventListener("keydown", onKey, true);
    narrow.addEventListener("change", size);

    var html = document.documentElement;
    var before = document.activeElement;
    var scroll = html.style.overflow;
    var others = Array.prototype.filter.call(document.body.children, function (each) { return !each.inert; });
    html.style.overflow = "hidden";
    others.forEach(function (each) { each.inert = true; });

    open.undo = function () {
      window.removeEventListener("message", onMessage);
      document.removeEventListener("keydown", onKey, true);
      narrow.removeEventListener("change", size);
      others.forEach(function (each) { each.inert = false; });
      html.style.overflow = scroll;
      modal.remove();
      if (before && before.focus) before.focus();
    };

    frame.src = self._base + "/checkout?order_id=" + encodeURIComponent(self._options.orderId) + "&embedded=true";
    [first, frame, button, last].forEach(function (each) { content.appendChild(each); });
    overlay.appendChild(content);
    modal.appendChild(overlay);
    document.body.appendChild(modal);
    button.focus();
    open.timers.push(setTimeout(function () {
      if (!open.isReady) {
        open.isReady = true;
        call(self._options.onFailure, { paymentId: null, code: "CHECKOUT_UNAVAILABLE", message: "The checkout did not open" });
      }
    }, READY_WITHIN_MS));
  }

  // Only plain values travel; functions and elements would be refused by the browser.
  function plain(value) {
    return value == null ? undefined : JSON.parse(JSON.stringify(value));
  }

  function dismantle(open) {
    open.timers.forEach(clearTimeout);
    open.undo();
  }

  /** Believes our own frame, from the checkout's exact origin, about this very opening. */
  function hear(self, open, event) {
    var message = event.data;
    if (event.source !== open.frame.contentWindow || event.origin !== self._origin) return;
    if (!message || message.nonce !== open.nonce || self._open !== open) return;
    var data = message.data || {};
    if (message.type === "ready") {
      if (open.isReady) return;
      open.isReady = true;
      call(self._options.onReady);
    } else if (message.type === "payment_success") {
      if (open.success || open.paid) return;
      open.success = { id: data.paymentId, paymentId: data.paymentId, orderId: data.orderId, status: data.status };
      open.timers.push(setTimeout(function () { succeed(self, open); }, LOOK_AT_TICK_MS));
    } else if (message.type === "payment_failed") {
      open.isReady = true;
      // A frame that is loaded again, in another language, says again how its payment ended.
      if (data.paymentId && data.paymentId === open.failed) return;
      open.failed = data.paymentId;
      call(self._options.onFailure, { paymentId: data.paymentId, code: data.code, message: data.message });
    } else if (message.type === "close_modal") {
      self.close();
    }
  }

  function succeed(self, open) {
    open.paid = open.success;
    open.success = null;
    call(self._options.onSuccess, open.paid);
    if (self._open === open) self.close();
  }

  return PaymentGateway;
});
