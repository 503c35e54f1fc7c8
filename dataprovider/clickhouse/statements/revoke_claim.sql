-- Parameters: claim.
INSERT INTO revoked_claims SELECT {claim:UInt64}, 1
