-- Recovery runs that were taken from their worker: an insert under such a claim is refused, so that a worker which slept
-- through its lease stores nothing beside its successor.
CREATE TABLE IF NOT EXISTS revoked_claims
(
    claim UInt64,
    revoked UInt8
)
ENGINE = Join(ANY, LEFT, claim)
SETTINGS join_any_take_last_row = 1, persistent = 1;
