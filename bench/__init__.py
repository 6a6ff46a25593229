"""What finsentry costs on this machine, in one table: `python -m bench` (`make bench`)."""
