"""The app that finds what is missing and gets it back."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate

if TYPE_CHECKING:
    from collectors.sideprocess import SideProcess


class IntegrityConfig(AppConfig):
    name = "integrity"
    verbose_name = "Recovery and proof"

    def ready(self) -> None:
        def make_roles(**signal: Any) -> None:
            from integrity.roles import make_roles

            make_roles(**signal)

        # Permissions are made after all migrations only: no migration could hand them out.
        post_migrate.connect(make_roles, sender=self, weak=False, dispatch_uid="roles")

    def side_processes(self, recovery_workers: int) -> list[SideProcess]:
        """What the supervisor is to run beside its stream workers: alerts where they have somewhere to go, recovery
        where it has workers."""
        from collectors.sideprocess import SideProcess
        from integrity.alerts.channels import channels_of
        from integrity.process import alert_watch, recovery_keeper, recovery_worker

        began = f"{os.getpid()} {time.time()}"
        alerts = [SideProcess("The alerts", alert_watch, (began,))] if channels_of(settings.CONFIG) else []
        if not recovery_workers:
            return alerts
        workers = [
            SideProcess(f"Recovery worker {number}", recovery_worker, (number,)) for number in range(recovery_workers)
        ]
        return [*alerts, SideProcess("The recovery keeper", recovery_keeper), *workers]
