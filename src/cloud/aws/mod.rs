//! AWS itself, one file for each noun.
