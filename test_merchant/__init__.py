"""A little shop that sells one thing and takes its money through the gateway.

    settings           what the environment says
    signature          the check every merchant needs: is this webhook ours?
    standard_webhook   the same question by the Standard Webhooks rules, with replay protection
    inbox              the last webhooks that came, and which ids were seen before
    orders             asks the gateway for an order
    app                the pages and the webhook's door

It stands outside the house: it imports nothing of `gateway` and knows only what
a merchant knows, a key pair and a webhook secret. `python -m test_merchant` opens it.
"""
