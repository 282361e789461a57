"""Rows that wait to be worked on."""

from datetime import datetime

from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column

from gateway.models.base import UUID


class Work(MappedAsDataclass, kw_only=True):
    """The columns that make a row its own queue entry.

    due_at       when a worker should look at it; null when there is nothing to do
    lease_until  until when the worker that claimed it may be busy with it
    lease_token  who claimed it: an outcome is written only WHERE this still matches
    attempts     how many times somebody went outside for it
    """

    due_at: Mapped[datetime | None] = mapped_column(default=None)
    lease_until: Mapped[datetime | None] = mapped_column(default=None)
    lease_token: Mapped[str | None] = mapped_column(UUID, default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    # Why a human should look; set when every automatic try is used up.
    flagged: Mapped[str | None] = mapped_column(default=None)
