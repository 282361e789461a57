/** What a payment became: `id` and `paymentId` are the same. */
export interface PaymentSuccess {
  id: string;
  paymentId: string;
  orderId: string;
  status: "success";
}

/** Why a try came to nothing; the modal stays open for another one. */
export interface PaymentFailure {
  /** Null when no payment was made, as with a key of another merchant. */
  paymentId: string | null;
  /** `PAYMENT_FAILED` when the bank refused; else one of the API's codes, or `CHECKOUT_UNAVAILABLE`. */
  code: string;
  message: string;
}

export interface PaymentGatewayOptions {
  /** Your API key. It is public; the secret stays on your server. */
  key: string;
  /** An order that your server created. */
  orderId: string;
  /** The order's `checkout_token`, where you turned that on. */
  checkoutToken?: string;
  /** Needed only where the SDK is bundled: the address of the checkout. */
  checkoutUrl?: string;
  /** What you know of the payer. There is no field for card data on purpose. */
  prefill?: { method?: "upi" | "card"; vpa?: string; name?: string };
  /** A colour for the buttons, as #rrggbb. */
  theme?: { color?: string };
  onSuccess?: (payment: PaymentSuccess) => void;
  onFailure?: (failure: PaymentFailure) => void;
  onClose?: () => void;
  onReady?: () => void;
}

export type Outcome = { outcome: "success"; payment: PaymentSuccess } | { outcome: "closed" };

/** A payment in a modal on your page. Believe your server's webhook, not the browser, that it was made. */
export class PaymentGateway {
  constructor(options: PaymentGatewayOptions);
  /** Opens the modal; does nothing while it is open. Resolves once it is closed. */
  open(): Promise<Outcome>;
  close(): void;
}

export default PaymentGateway;
