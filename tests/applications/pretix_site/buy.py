"""Creates ten carts and turns them into ten orders. A task of pretix makes each cart, and another task makes each
order. `python -m pretix shell` reads this script."""

# ruff: noqa: T201

from datetime import timedelta
from decimal import Decimal

from celery.result import AsyncResult
from django.db import transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled
from pretix.base.models import CartPosition, Event, Item, Order, Organizer, Quota
from pretix.base.services.cart import CartError, add_items_to_cart
from pretix.base.services.orders import perform_order

FREE = {"id": "free", "provider": "free", "max_value": None, "min_value": None, "info_data": {}}
PATIENCE_SECONDS = 120

with scopes_disabled():
    organizer = Organizer.objects.create(name="Aardvarks", slug="aardvarks")
    event = Event.objects.create(
        organizer=organizer,
        name="Digging",
        slug="digging",
        date_from=now() + timedelta(days=30),
        live=True,
        plugins="pretix.plugins.ticketoutputpdf,pretix.plugins.sendmail",
    )
    ticket = Item.objects.create(event=event, name="Ticket", default_price=Decimal(0), admission=True)
    quota = Quota.objects.create(event=event, name="All", size=10)
    quota.items.add(ticket)
    wanted = [{"item": ticket.pk, "variation": None, "count": 1}]

    carts = [add_items_to_cart.apply_async(args=(event.pk, wanted, f"{n}@cart", "en")) for n in range(10)]
    for cart in carts:
        cart.get(timeout=PATIENCE_SECONDS)
    sold_out = add_items_to_cart.apply_async(args=(event.pk, wanted, "late@cart", "en"))
    try:
        sold_out.get(timeout=PATIENCE_SECONDS)
    except CartError:
        print("sold out:", sold_out.state)

    def order(cart_id: str) -> AsyncResult:
        position = CartPosition.objects.get(cart_id=cart_id)
        return perform_order.apply_async(
            args=(event.pk, [FREE], [position.pk], f"buyer-{position.pk}@example.org", "en")
        )

    with transaction.atomic():
        undone = order("0@cart")
        transaction.set_rollback(True)
    print("rolled back:", undone.state)
    for result in [order(f"{n}@cart") for n in range(10)]:
        result.get(timeout=PATIENCE_SECONDS)
    print("orders:", Order.objects.filter(event=event, status=Order.STATUS_PAID).count())
