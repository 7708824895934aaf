"""`make eval`: every eval there is."""

from tests.evals.memory import main

main()
