"""Numbers for Prometheus: which there are (`names`), who counts them (`of_*`), and where they are read (`serving`)."""
