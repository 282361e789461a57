"""The story a stranger would try first, told over HTTP: order, pay, hear of it.

`run` knows only the public contract and two addresses, so what it proves is the
running stack and not the code that happens to lie beside it.

    story    whom it asks, and how an answer is read
    steps    what is asked, in order, and what must come back
"""

import sys
from collections.abc import Callable

import urllib3

from gateway.check.steps import STEPS, Seen
from gateway.check.story import Missed, Site, Story

PATIENCE_S = 20.0
CAME_CHARACTERS = 160
WHAT_COLUMNS = 64


def run(base_url: str, shop_url: str, key: str, secret: str, *, patience_s: float = PATIENCE_S) -> bool:
    """Whether everything held. Prints one line for each thing seen or missed.

    base_url, shop_url   where the gateway and the test shop answer
    key, secret          the API pair of the merchant whose webhooks go to that shop
    patience_s           how long each thing that takes time may take

    Leaves two paid orders and two unpaid ones behind. Raises nothing for a
    gateway that is away, slow or talks nonsense: that is a line too.
    """
    story = Story(
        gateway=Site(base_url, {"X-Api-Key": key, "X-Api-Secret": secret}),
        stranger=Site(base_url, {"X-Api-Key": key, "X-Api-Secret": f"{secret}-wrong"}),
        shop=Site(shop_url),
        patience_s=patience_s,
    )
    missed = sum(not tell(title, step, story) for title, step in STEPS.items())
    say(f"{missed} of {len(STEPS)} did not hold." if missed else f"All {len(STEPS)} held.")
    return not missed


def tell(title: str, step: Callable[[Story], Seen], story: Story) -> bool:
    """Whether the step held to its end; its lines are printed as they come."""
    try:
        for what, value in step(story):
            say_line("✓", what, value)
    except Missed as missed:
        say_line("✗", missed.expected, missed.came)
    except urllib3.exceptions.HTTPError as problem:
        say_line("✗", title, f"no answer: {problem}")
    else:
        return True
    return False


def say_line(mark: str, what: str, value: str) -> None:
    printable = "".join(character if character.isprintable() else " " for character in value)
    if len(printable) > CAME_CHARACTERS:
        printable = printable[:CAME_CHARACTERS] + "…"
    say(f"{mark} {what} {'.' * (WHAT_COLUMNS - len(what))} {printable}")


def say(line: str) -> None:
    # A terminal that cannot show a tick shows a question mark; the check goes on.
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)
