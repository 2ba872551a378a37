-- Parts that were resent are few, and a report without a known key is held against them too.
CREATE INDEX flight_resent ON flight (channel) WHERE flags & 1;
