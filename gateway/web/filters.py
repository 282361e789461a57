"""How money, times and states read on a page."""

from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

from gateway.core import clock, money
from gateway.web import assets

# A state is a word, a colour and an icon: (tone, icon). Colour alone says nothing to many readers.
STATES = {
    "created": ("neutral", "circle-dashed"),
    "attempted": ("info", "circle-dot"),
    "paid": ("good", "circle-check"),
    "pending": ("info", "clock"),
    "success": ("good", "circle-check"),
    "processed": ("good", "circle-check"),
    "failed": ("bad", "circle-x"),
    "refused": ("bad", "circle-x"),
    "timeout": ("bad", "clock"),
    "unreachable": ("bad", "circle-x"),
    "blocked": ("bad", "ban"),
    "interrupted": ("warn", "triangle-alert"),
    "under way": ("info", "loader-circle"),
    "running": ("good", "circle-check"),
    "stopped": ("bad", "circle-x"),
    "active": ("good", "circle-check"),
    "revoked": ("neutral", "ban"),
    "inactive": ("neutral", "ban"),
}


def moment(value: datetime | None) -> Markup:
    """`2026-01-15 10:31:00` in UTC inside a <time>; the page's script adds the reader's zone on hover."""
    if value is None:
        return Markup('<span class="none">—</span>')
    return Markup('<time datetime="{}" title="UTC">{:%Y-%m-%d %H:%M:%S}</time>').format(
        clock.iso(value), value.astimezone(UTC)
    )


def clock_time(value: datetime) -> str:
    """`10:31:00 UTC`, for what a script then counts down."""
    return f"{value.astimezone(UTC):%H:%M:%S} UTC"


def ago(value: datetime | None) -> Markup:
    """`3 min ago` inside a <time> whose title has the exact moment."""
    if value is None:
        return Markup('<span class="none">never</span>')
    seconds = max(0, int((clock.now() - value).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            text = f"{seconds // size} {unit} ago"
            break
    else:
        text = "just now" if seconds < 5 else f"{seconds} s ago"
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time>').format(
        clock.iso(value), value.astimezone(UTC), text
    )


def icon(name: str) -> Markup:
    """A line icon in the colour of the text around it; hidden from screen readers."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        assets.asset_url("icons.svg"), name
    )


def status(word: str) -> Markup:
    """A state as word, colour and icon."""
    tone, symbol = STATES.get(word, ("neutral", "circle"))
    return Markup('<span class="status" data-tone="{}">{}{}</span>').format(tone, icon(symbol), word)


# The first that fits: others also claim to be Chrome, and Chrome to be Safari.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def browser(agent: str) -> str:
    """`Chrome on Windows`, or what the browser calls itself where that is not known."""
    name = next((name for mark, name in BROWSERS.items() if mark in agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), None)
    if name is None:
        return agent or "unknown"
    return f"{name} on {system}" if system else name


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(money=money.display, decimal=money.decimal, status=status)
    app.jinja_env.filters.update(
        moment=moment, ago=ago, browser=browser, iso=clock.iso, clock_time=clock_time
    )
    app.jinja_env.globals["icon"] = icon
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
