"""``python -m symact`` is the command line."""

from symact.cli import main

if __name__ == "__main__":
    main()
