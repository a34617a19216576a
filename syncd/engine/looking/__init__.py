"""What is there: the fast looks of a pass (`look`), and beside the loop the slow ones (`prove`), on a page that it reads."""
