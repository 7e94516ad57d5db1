"""Builder and harness classes: how a plan is run under LoadGen."""
