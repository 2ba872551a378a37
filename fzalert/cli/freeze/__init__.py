"""`fzalert freeze`: from a victim's report to a confirmed stop, on the command line."""
