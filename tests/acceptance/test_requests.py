"""The lines of docs/requests.md, pasted into a shell."""

import re
import subprocess
from typing import Any

from tests.contract.requests import DOCUMENT, make_document
from tests.programs import find_program

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
END = "---end of block---"


def test_the_requests_are_those_of_the_api() -> None:
    assert DOCUMENT.read_text() == make_document()


def test_every_line_works_when_pasted(running: dict[str, Any]) -> None:
    find_program("curl")
    blocks = BLOCK.findall(DOCUMENT.read_text())
    pasted = f"\necho '{END}'\n".join(blocks)
    pasted = re.sub(r"(?m)^URL=.*", f"URL={running['http']}", pasted, count=1)

    done = subprocess.run(
        ["bash", "-eu"],
        input=pasted,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    answers = [answer.strip() for answer in done.stdout.split(END)]
    assert len(answers) == len(blocks) >= 24
    for block, answer in zip(blocks, answers, strict=True):
        if "curl" in block and "_ID=$(" not in block:
            assert succeeded(answer), f"{block}{answer}"


def succeeded(answer: str) -> bool:
    """Tell whether every code in `answer` is 0; two have none.

    The quick import is answered with a text, an export with lines that have an end.
    """
    codes = re.findall(r'"error":(\d+)|<error>(\d+)</error>', answer)
    return all(code in (("0", ""), ("", "0")) for code in codes) and (
        bool(codes) or answer == "Successful operation" or '"end":true' in answer
    )
