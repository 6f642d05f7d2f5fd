"""What is true of a bench or an experiment: YAML files and the strict reading of them; units; geometry. Floor 0."""
