"""The tables of the shop."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base class of the shop's tables."""


class Order(Base):
    __tablename__ = "orders"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Invoice(Base):
    __tablename__ = "invoices"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    note: Mapped[str]
