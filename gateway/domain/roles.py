"""Who of a merchant's people may do what.

An owner may do everything. A developer builds and repairs the integration and
cannot move money or choose who else comes in. A viewer looks, and sees no secret.
"""

from enum import StrEnum

from gateway.core.errors import Refusal


class Forbidden(Refusal):
    """A person's role does not reach this far. Only pages know roles: an API key may do everything."""

    status = 403


class Act(StrEnum):
    """Something that not everybody may do."""

    MOVE_MONEY = "move money"  # capture, refund
    CREATE_ORDERS = "create orders"
    SEE_SECRETS = "see secrets"
    MANAGE_WEBHOOKS = "manage webhooks"  # address, secret, test, retry
    MANAGE_KEYS = "manage keys"
    MANAGE_MERCHANT = "manage the account"  # name, origins, people


ROLES = ("owner", "developer", "viewer")

_ALLOWED = {
    "owner": frozenset(Act),
    "developer": frozenset({Act.CREATE_ORDERS, Act.SEE_SECRETS, Act.MANAGE_WEBHOOKS, Act.MANAGE_KEYS}),
    "viewer": frozenset[Act](),
}


def may(role: str, act: Act) -> bool:
    return act in _ALLOWED[role]


def require(role: str, act: Act) -> None:
    """Raises Forbidden, saying who could do it, where `role` may not `act`."""
    if not may(role, act):
        able = " or ".join(name for name in ROLES if may(name, act))
        raise Forbidden(f"Your role, {role}, cannot {act}. Ask an {able}.")
