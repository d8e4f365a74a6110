"""One file per question; a job joins rooms and hands records from one to the next."""
