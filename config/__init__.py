"""Settings from YAML files with strict checks, units, geometry, and the reading and writing of files. Floor 0."""
