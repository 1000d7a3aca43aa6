"""``make bench``: each figure beside its limit, in turn, in one run on one machine."""
