-- Parameters: shard, below_epoch. An insert's query id is shard:epoch:sequence. Rows: kill_status, query_id, user, query.
KILL QUERY WHERE user = currentUser()
    AND match(query_id, '^[0-9]+:[0-9]+:[0-9]+(-[0-9]+)?$')
    AND splitByChar(':', query_id)[1] = toString({shard:UInt8})
    AND toUInt64OrZero(splitByChar(':', query_id)[2]) < {below_epoch:UInt64}
SYNC
