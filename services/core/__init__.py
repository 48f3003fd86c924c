"""The words every room shares. Standard library only: no clock reads, no I/O, no asyncio."""
