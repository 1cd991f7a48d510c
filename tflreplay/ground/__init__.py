"""What every room stands on: errors, words, files, engines, rounding rules and fixed point."""
