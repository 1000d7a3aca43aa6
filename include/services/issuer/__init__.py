"""An issuer of tokens to develop against: it publishes its public key, and a command makes tokens.

Not for production: whoever may run a command in its container gets a token of any source system.
"""
