-- For conditions: what they compare. Simple enough to be inlined: a call takes longer
-- than all that they do.

-- A stored date; null for what is none, such as a value of a type that its field had
-- before. A cast would raise. STORED_DATE of ingest/domain/intervals.py is the same.
CREATE FUNCTION read_moment(value text)
    RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN value ~ ('^(?:(?!0000)[0-9]{4}-'
        '(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])'
        '|(?:0[13-9]|1[0-2])-(?:29|30)'
        '|(?:0[13578]|1[02])-31)'
        'T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z'
        '|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])'
        '|(?:0[48]|[2468][048]|[13579][26])00)'
        '-02-29T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z)$')
        THEN value::timestamptz END;

-- A moment moved by years of the calendar in UTC, and by minutes: 29 February becomes
-- 28 February. Whatever the time zone of the session.
CREATE FUNCTION shift_moment(moment timestamptz, years integer, minutes integer)
    RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (moment AT TIME ZONE 'UTC' + make_interval(years => years, mins => minutes))
        AT TIME ZONE 'UTC';
