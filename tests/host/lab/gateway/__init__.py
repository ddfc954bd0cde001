"""The gateway: the only way out of the lab, and where the stand-ins answer.

It listens on ports 80 and 443 inside the lab's network namespace and connects out from the one it
was started in. The TLS server name or the Host header decides what happens (see lab/rules.py).
"""
