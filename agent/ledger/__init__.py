"""What happened and what it cost: the live meter, the durable ledger, and the reports that are read from it."""
