"""What is measured of the promise: the seconds from a request's acceptance to the event of its first end."""

BUCKET_SECONDS = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)  # upper bounds; the last bucket has none
MOST_COUNTED_PAIRS = 100  # of document type and source system: labels of metrics
