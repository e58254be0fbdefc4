"""Tests of the patches: each quotes the AWS page that it follows. One server for all, accounts of their own."""
