"""Where the merchant's money is, by the ledger."""

from flask import Response, g

from gateway.api import api
from gateway.api.answers import answer
from gateway.core.db import reading
from gateway.domain import ledger, wire


@api.get("/balance")
def get_balance() -> Response:
    with reading():
        found = ledger.balances(g.caller.merchant_id)
    return answer({"data": [wire.balance(currency, accounts) for currency, accounts in found.items()]})
