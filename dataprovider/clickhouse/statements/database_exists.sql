-- Parameters: database. One row when it is there.
SELECT name FROM system.databases WHERE name = {database:String}
