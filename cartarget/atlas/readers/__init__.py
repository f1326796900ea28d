"""One module for each kind of file: its path in, one AnnData of the contract out."""
