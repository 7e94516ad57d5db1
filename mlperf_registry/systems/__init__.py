"""Systems and machines: which known system a machine is, its nearest relative, and the system derived for the rest.

Pure functions over descriptions; detection, files and the command line are elsewhere.
"""
