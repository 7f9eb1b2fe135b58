-- For conditions: what they compare.

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

-- Whether an anniversary of a moment is one of `days` days from `today` on, which are
-- those of a time zone. 29 February has its own on 28 February.
CREATE FUNCTION has_anniversary(moment timestamptz, zone text, today date, days integer)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM (SELECT (moment AT TIME ZONE zone)::date) AS local (day)
         CROSS JOIN LATERAL (SELECT extract(year FROM day)::integer) AS born (year)
         CROSS JOIN LATERAL
               generate_series(extract(year FROM today)::integer,
                               extract(year FROM today)::integer + 1) AS other (year)
         WHERE born.year BETWEEN 1 AND 9999
           AND other.year BETWEEN born.year AND 9999
           AND (day + make_interval(years => other.year - born.year))::date
               BETWEEN today AND today + days);
END;

-- Whether a profile has one of some match keys itself: not by a value that a merged
-- profile had, and of which only the former value is left.
CREATE FUNCTION holds_key(database_id integer, profile_id text, kind text,
                          keys text[], former_values jsonb)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM match_keys AS key
         WHERE key.database_id = holds_key.database_id
           AND key.kind = holds_key.kind
           AND key.value = ANY(keys)
           AND key.profile_id = holds_key.profile_id
           AND NOT EXISTS (
               SELECT FROM jsonb_array_elements_text(coalesce(former_values, '[]'))
                      AS former (value)
                WHERE lower(former.value) = lower(key.value)));
END;
