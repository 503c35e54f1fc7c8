-- Parameters: version, nodes, moving.
INSERT INTO placement (version, nodes, moving) SELECT {version:UInt64}, {nodes:Array(UInt8)}, {moving:Array(UInt8)}
