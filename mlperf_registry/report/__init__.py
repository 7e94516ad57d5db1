"""What a run or a sweep is shown as: tables in the terminal, one self-contained HTML file.

Pure functions of results and of ``samples.npz``; nothing here measures, decides validity or reads a configuration.
"""
