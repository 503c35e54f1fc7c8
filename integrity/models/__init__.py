"""What Postgres keeps about recovery and proof."""

from integrity.models.checks import CheckResult, IntegrityRun, MonthCheck, SymbolTrust
from integrity.models.files import ArchiveFile, FileVerdict
from integrity.models.incidents import Incident
from integrity.models.jobs import JOB_STATES, UNFINISHED_JOBS, Duty, JobEvent, JobKind, JobStatus, RecoveryJob, Source

__all__ = [
    "JOB_STATES",
    "UNFINISHED_JOBS",
    "ArchiveFile",
    "CheckResult",
    "Duty",
    "FileVerdict",
    "Incident",
    "IntegrityRun",
    "JobEvent",
    "JobKind",
    "JobStatus",
    "MonthCheck",
    "RecoveryJob",
    "Source",
    "SymbolTrust",
]
