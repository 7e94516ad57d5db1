"""Any server that speaks OpenAI's HTTP API: one or many, running already or started by us."""
