"""What becomes of print files once they are handed over: what the print house answers, and what an operator does then.

A job that was acknowledged is one row; letters that were rejected are receipts, as whatever else is heard of attempts.
"""
