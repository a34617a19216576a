"""The pure part: no clock, no I/O, no threads. What is seen goes in, what to do comes out."""
