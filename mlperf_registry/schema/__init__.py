"""The typed vocabulary: frozen attrs classes, each field made by ``knob``. Imports nothing else of the package."""
