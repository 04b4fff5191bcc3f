"""What all studies share: the folder with its design and journal, the report, and the machine that it ran on."""
