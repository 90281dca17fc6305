"""The command line `drumline`: one small file for each subcommand, imported when it is called."""
