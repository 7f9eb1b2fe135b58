-- How much a token may ask: so many imports a second on average, and so many at once.
-- Without a rate it is not limited.
ALTER TABLE tokens
    ADD COLUMN rate_per_second double precision,
    ADD COLUMN burst           integer,
    ADD CONSTRAINT rate_is_whole CHECK (
        (rate_per_second IS NULL) = (burst IS NULL)
        AND rate_per_second > 0
        AND burst > 0
    );
