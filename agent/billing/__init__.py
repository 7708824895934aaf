"""Money: the price book, the price of each call, estimates, and the guard of a session's budget."""
