-- Unknown parts are few, and a report without a known key is held against them.
CREATE INDEX flight_unknown ON flight (channel) WHERE state = 6;
