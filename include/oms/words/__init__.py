"""The words of the system and their rules: states, errors, the state machine, what each failure leads to."""
