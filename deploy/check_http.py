"""The health check of a container: exits 0 where the URL given answers with success, else says what it answered.

For an image without curl; the standard library only.
"""

import sys
import urllib.error
import urllib.request

_SECONDS = 4.5


def problem(url: str) -> str | None:
    """What is wrong, None where the answer is a success."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"{error.code}: {error.read(2000).decode(errors='replace')}"
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1]))
