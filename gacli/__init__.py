"""`ga`: train deep-learning jobs where and when electricity is clean."""

__version__ = "0.1.0"
