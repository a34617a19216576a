"""One trust file on each node: which CAs it should hold, why, and when an old one may leave."""
