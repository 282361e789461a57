"""Workers that are alive."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import Base, uuid_key


class Worker(Base):
    """One worker process; it stamps `beat_at` every two seconds and removes itself when it stops."""

    __tablename__ = "workers"

    id: Mapped[uuid_key]
    queues: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
