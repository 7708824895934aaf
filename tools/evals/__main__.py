"""`make eval`: every eval there is."""

from tools.evals.memory import main

main()
