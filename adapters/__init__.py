"""Everything that touches the outside: one folder per outside system, none importing another.

`bootstrap` is the one place that puts the parts together.
"""
