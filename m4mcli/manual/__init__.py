"""What is generated from the command tree and checked in: completions, option tables, example pieces."""
