"""The admin pages of recovery and proof."""

from integrity.admin.checks import ArchiveFileAdmin, IntegrityRunAdmin, MonthCheckAdmin, SymbolTrustAdmin
from integrity.admin.gaps import RecoverableGapAdmin
from integrity.admin.jobs import RecoveryJobAdmin
from integrity.admin.symbols import RecoverableSymbolAdmin

__all__ = [
    "ArchiveFileAdmin",
    "IntegrityRunAdmin",
    "MonthCheckAdmin",
    "RecoverableGapAdmin",
    "RecoverableSymbolAdmin",
    "RecoveryJobAdmin",
    "SymbolTrustAdmin",
]
