"""What the cache keeps, in a folder (`--data wheelhouse=FOLDER`) for a lab without internet: deploy/cache.py there serves it."""

from deploy import compose

compose.fill_wheelhouse()
