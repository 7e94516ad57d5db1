"""ACME's benchmark (is the number of ones in a word odd?) and the engine libraries that answer it and ours."""
