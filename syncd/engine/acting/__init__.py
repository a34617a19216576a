"""What is done: a plan's steps in their turns (`act`), one after the other (`chain`), each one port call (`perform`)."""
