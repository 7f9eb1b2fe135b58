-- What profiles are put into by an API call; declared beside the triggers, with ids of
-- their own. Its starts are events of the endpoint's.
CREATE TABLE workflows (
    id          integer PRIMARY KEY,
    database_id integer NOT NULL REFERENCES databases,
    endpoint_id integer NOT NULL REFERENCES endpoints,
    name        text    NOT NULL
);
