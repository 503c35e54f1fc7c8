"""Getting back what is missing: the queue of jobs, planning, and the runs that fetch and store."""
