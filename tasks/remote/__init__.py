"""What acts on the target: stdlib-only code for its own python3 (3.8+), packed as lib/helper.pyz in our root.

`weights`, `convert` and `chat` run under a venv of ours and use the libraries in it.
"""
