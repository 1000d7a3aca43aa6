"""How promptly watchers and workers look for work. The figures depend on each other, so they stand together.

A document passes an idle system in about two seconds: at most ``LEAST_GAP_SECONDS`` until its run begins, then two
task instances start. In a stream of documents a worker finds the next one after ``LOOK_SECONDS``.
"""

# Watchers
LEAST_GAP_SECONDS = 1.0  # between two runs of a job, so that one run claims all that comes in meanwhile
KEEP_UP_SECONDS = 1.5  # what the workers at work have not claimed after this time is due for one more worker
RECENTLY_DUE_SECONDS = 15.0  # a request that has been due longer is not expected at Thunderhead soon

# Workers of document_processing
LOOK_SECONDS = 0.1  # between two looks for more work

# Workers of document_monitoring
LEAST_ROUND_SECONDS = 0.1  # between two rounds of polls, so that one call asks about many batches
LONGEST_ROUND_SECONDS = 0.25  # without a due poll, until the worker looks for more work
AHEAD_SECONDS = 1.0  # claim polls this long before they are due: the worker waits for them
FAR_AHEAD_SECONDS = 2.0  # a worker waits no longer for a poll to fall due: it lets the batch go until then
