-- Parameters: name, sha256.
INSERT INTO schema_migrations (name, sha256) SELECT {name:String}, {sha256:String}
