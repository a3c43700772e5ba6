"""`manage.py queuectl …`: every command of queuectl, on the database that the backend writes to."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from queue_store.command import main
from queue_store.settings import environment_name

from ...database import database_url
from ...our_backends import queue_alias

FLOWS = "processing_queue.django.flows"


class Command(BaseCommand):
    """Sets DATABASE_URL, sets FLOW_MODULES if it is not set, and calls queuectl with the arguments."""

    help = "Runs queuectl on the database of the tasks: manage.py queuectl status"
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("command", help="a command of queuectl, such as status, migrate or register")
        parser.add_argument("arguments", nargs="...", help="its own arguments")

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ["DATABASE_URL"] = database_url(queue_alias()).render_as_string(hide_password=False)
        os.environ.setdefault(f"{environment_name()}_DISTRIBUTED_PROCESSOR_FLOW_MODULES", FLOWS)
        sys.argv = ["queuectl", options["command"], *options["arguments"]]
        main()
