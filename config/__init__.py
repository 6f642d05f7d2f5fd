"""Settings from YAML files with strict checks, units, geometry, and the reading and writing of files. Layer 0."""
