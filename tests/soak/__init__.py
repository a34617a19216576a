"""All faults at random on real servers for as long as one likes, with what must always hold looked at all the while."""
