"""Bounds of every call that goes out, whatever system it goes to."""

CONNECT_TIMEOUT_SECONDS = 3.0  # opening a connection
MOST_ANSWER_BYTES = 4_194_304  # a longer answer is not read
