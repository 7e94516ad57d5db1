"""Reads what this machine is; reached from the command line and from results, never while a configuration is made."""
