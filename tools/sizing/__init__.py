"""`make sizing`: how many processes a stream of calls takes, with room for one that is lost."""
