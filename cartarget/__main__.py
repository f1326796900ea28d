"""`python -m cartarget` is `cartarget`."""

from cartarget.cli import main

if __name__ == "__main__":
    main()
