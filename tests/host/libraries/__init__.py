"""The truth table of library faults: cases on real torch wheels, what really happens, and what the checker says."""
