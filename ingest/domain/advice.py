"""What to do about a fault: a sentence for whoever corrects the row or the request."""

from collections.abc import Mapping

from ingest.domain.errors import Fault

#: By the message of a fault.
_BY_MESSAGE: Mapping[str, str] = {
    "Incorrect email": "Write one address, such as ada@example.com",
    "Incorrect phone": "Write + and 7 to 15 digits, such as +442079460018",
    "Incorrect date": "Write it as 2001-12-31 or 2001-12-31T18:30:00Z",
    "Incorrect ip": "Write an IPv4 address, such as 192.0.2.1, or leave it out",
    "Incorrect text": "Remove NUL characters and halves of characters",
    "Unknown action": "Write one of set, unset, incr, add, delete, upsert",
    "Incorrect timezone": "Write an IANA name, such as Europe/Moscow",
    "Incorrect version": "Write numbers with dots between, such as 14.2",
    "Not an integer": "Write a whole number, such as 42",
    "Not a number": "Write a number, such as 20.5",
    "Out of range": "Write a smaller number",
    "Not true or false": "Write true, false, 1 or 0",
    "Not male or female": "Write male or female",
    "Not one of the options": "Write one of the field's options, as declared",
    "Not tags": "Write texts, separated by commas",
    "Not a text": "Write a text",
    "Not a JSON value": "Write JSON",
    "Not an object": 'Write a JSON object, such as {"key": "value"}',
    "Not an array of objects": 'Write a JSON array, such as [{"key": "value"}]',
    "Unknown field": "Correct the name, leave it out, or declare the field",
    "Unknown status": "Write subscribed, unsubscribed or another of the statuses",
    "Unknown channel": "Write email, sms, push or another of the channels",
    'Not a JSON list, such as ["a", "b"]': "Write a JSON list, or values and commas",
    "Unknown category": "Write a category of the resource, as declared",
    "Unknown segment": "Write the id of a segment of the database",
    "Unknown resource": "Write the id of a resource of the account",
    "Required field is missing": "Give it a value: the database requires it",
    "Missing matching key": "Give the value that the profile is to be found by",
    "Missing parameter": "Give it a value",
    "No profile matches": "Correct the key, or import without update only",
    "Unknown profile": "Correct the id: profile_id finds profiles, it makes none",
    "Quoted wrongly": "Double a quotation mark that is in a quoted value",
    "More values than columns": "Quote values that hold the delimiter",
    "Not a JSON list": 'Write a JSON list, such as ["tea", "coffee"], or texts alone',
    "It cannot be cleared": "Leave the cell empty, or give it a value",
    "A number of more than 15 digits, some of which are lost": "Write it as text",
    "A NUL character cannot be stored": "Remove the NUL character",
    "Not in the encoding of the file": "Name the file's true encoding, or correct it",
}
#: How the message of a row begins that seems to hold others.
_SWALLOWED = "A quotation mark may be missing"
#: By the code, where the message says nothing more special.
_BY_CODE: Mapping[int, str] = {
    404: "Correct what it names, or declare it first",
    409: "Match by a better key, or free the value first",
    413: "Make it shorter",
    500: "Nothing is wrong with it: it is kept, to be replayed when we are mended",
}


def advise(fault: Fault) -> str:
    """Return what to do about `fault`, whatever its message adds in parentheses."""
    advice = _BY_MESSAGE.get(fault.message.partition(" (")[0])
    if fault.message.startswith(_SWALLOWED):
        return "Close the quotation mark; or import with trust_quotes if it is meant so"
    return advice or _BY_CODE.get(fault.code, "Correct the value that it names")
