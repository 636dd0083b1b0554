"""Parts of the comparison of poolers; `bench/run.py` is the command."""
