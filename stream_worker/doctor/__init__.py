"""`finsentry doctor`: a marked document goes the whole way (`journey`), and its traces are looked for (`traces`)."""
