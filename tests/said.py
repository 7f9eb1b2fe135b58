"""Faults that name what is allowed, as answers say them."""

MODE = (
    "Unknown matching mode (one of email, email_profile, email_sub, phone, phone_sub,"
    " profile_id, push_sub, custom, custom_sub, email_phone, email_phone_sub)"
)
CHANNEL = (
    "Unknown channel (one of email, sms, push, telegram_bot, whatsapp, viber, notify)"
)
STATUS = (
    "Unknown status (one of subscribed, unsubscribed, complained, hardbounced,"
    " unconfirmed, suspended, invalid)"
)
FORMAT = "Unknown format (one of json, xml)"
OPERATION = "Unknown operation (one of import, update, add)"
INT_ACTION = "Unknown action (one of set, unset, incr)"
TEXT_ACTION = "Unknown action (one of set, unset)"
PHONES_ACTION = "Unknown action (one of set, unset, add, delete)"
INT64 = "Out of range (from -2^63 to 2^63-1)"
FINITE = "Out of range (must be finite)"
SUBMATCH = "Incorrect submatch (a path such as address.city)"
