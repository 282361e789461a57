"""A little shop that sells three things and takes its money through the gateway.

What every merchant needs, to be copied:

    api                one request to the gateway
    orders             creates an order there, and asks whether it is paid
    signature          is this webhook ours?
    standard_webhook   the same question by the Standard Webhooks rules, with replay protection
    webhook            does what a webhook says, once

and the shop around it:

    settings           what the environment says
    catalogue          the things and their prices
    cart               which of them somebody wants
    books              orders, payments and refunds, in SQLite
    inbox              the last webhooks that came, to be looked at
    shop               what one open shop holds
    storefront         the pages for buyers
    door               where webhooks arrive, and the page that shows them
    app                puts the shop together

It stands outside the house: it imports nothing of `gateway` and knows only what
a merchant knows, a key pair and a webhook secret. `python -m test_merchant` opens it.
"""
