"""LoadGen's side of a run: QSL, SUT, and the child process that holds them."""
