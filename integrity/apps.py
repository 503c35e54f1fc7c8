"""The app that finds what is missing and gets it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from collectors.sideprocess import SideProcess


class IntegrityConfig(AppConfig):
    name = "integrity"
    verbose_name = "Recovery and proof"

    def side_processes(self, recovery_workers: int) -> list[SideProcess]:
        """What the supervisor is to run beside its stream workers: nothing when there are no recovery workers."""
        from collectors.sideprocess import SideProcess
        from integrity.process import recovery_keeper, recovery_worker

        if not recovery_workers:
            return []
        workers = [
            SideProcess(f"Recovery worker {number}", recovery_worker, (number,)) for number in range(recovery_workers)
        ]
        return [SideProcess("The recovery keeper", recovery_keeper), *workers]
