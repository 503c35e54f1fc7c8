-- Parameters: claim. A repair's query id is shard:epoch:claim-number. Rows: kill_status, query_id, user, query.
KILL QUERY WHERE user = currentUser()
    AND match(query_id, '^[0-9]+:[0-9]+:[0-9]+-[0-9]+$')
    AND splitByChar('-', splitByChar(':', query_id)[3])[1] = toString({claim:UInt64})
SYNC
